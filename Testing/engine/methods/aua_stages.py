"""What the tests of both stages of AUA share."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.methods.method import Method, TrainingStep

from .. import reference
from ..reference import Array, NDArray
from .toys import toy_batch, toy_method

RELEASED = {"fidelity": "released_code", "tissue_only": True}
FORMS = {"aua": {}, "aua_released": RELEASED}
FIRST, SECOND = TrainingStep(500, 1000, "uncertainty"), TrainingStep(500, 1000, "retraining")
SMALL = {"boundary_voxels": 30, "prototype_batches": 3}
FEW_VOXELS = {"boundary_voxels": 100, "prototype_batches": 2}
# With the temperature of the paper, 100, the prototypes teach next to nothing.
VARIANTS = {"aua": FEW_VOXELS, "aua_released": {**RELEASED, **FEW_VOXELS, "prototype_temperature": 1.0}}


def second_stage(
    variant: str = "aua", dimensions: int = 2, classes: int = 2, **settings: Any
) -> tuple[Method, list[Batch]]:
    """Return a method at the start of its second stage, and the batches that its prototypes were gathered from."""
    method, drawn = toy_method("aua", dimensions, classes, **{**FORMS[variant], **SMALL, **settings}), []

    def draw(step: int) -> Batch:
        assert step == len(drawn)
        drawn.append(toy_batch(dimensions, classes, count=2 + step % 2))
        return drawn[-1]

    optimizer = torch.optim.Adam(method.student.parameters(), lr=0.02)
    for _ in range(20):  # An untrained labeler may see one class everywhere.
        labeled = toy_batch(dimensions, classes).labeled
        functional.cross_entropy(method.student(labeled.images).logits, labeled.labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    stages = method.stages()
    assert stages[1].name == SECOND.stage
    method.start_stage(stages[0], draw)
    assert not drawn
    method.start_stage(stages[1], draw)
    return method, drawn


def half_dice(cross_entropy: float, logits: Array, labels: NDArray) -> float:
    """Half of a cross-entropy, half Dice of the structures."""
    target = reference.indicators(labels, logits.shape[1])
    return 0.5 * (cross_entropy + reference.dice(reference.softmax(logits), target, first=1))
