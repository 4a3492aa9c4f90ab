"""Every method on PyTorch's device "meta", whose tensors hold no values: what a graphics card would have to wait for.

Tensors without values refuse to be mixed with those of the processor and refuse to be read. So a step that runs here
leaves no tensor on the processor, and never waits for the device to finish.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import GAUSSIAN_LEVELS, GaussianClassifier
from SemiSupervisedSegLib.engine.methods.method import Method, total
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from .toys import MIDDLE, SIZES, batch_of, toy_labels, toy_method

# A second stage begins with the weights of its own start, and there are none.
pytestmark = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
META = torch.device("meta")
COMPONENTS = "The components of pseudo-labels are found by SciPy on the processor."
DISTANCES = "Distances to the boundary of annotations are found by SciPy on the processor."
READS = {
    "bcp": COMPONENTS,
    "uni_bcp": COMPONENTS,
    "caml": "The heads normalise the voxels that two networks agree on, and only the device knows how many there are.",
    "simcvd": DISTANCES,
    "dtc": DISTANCES,
    "sassnet": DISTANCES,
    "ss_net": "The heads normalise the voxels of one class, and only the device knows how many there are.",
}
"""Methods that read results of the device in a step, each with the reason."""
CASES = [(name, dimensions) for name, entry in load_catalogue().methods.items() for dimensions in entry.dimensions]


class NoGenerator:
    """Stands for a generator on the device, from which nothing is drawn."""

    def manual_seed(self, seed: int) -> None:
        return None


@pytest.fixture(autouse=True)
def only_on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch has no autocast and no generator for tensors without values, and neither would do anything."""
    autocast, generator = torch.autocast, torch.Generator

    def meta_autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return contextlib.nullcontext() if device_type == "meta" else autocast(device_type, *args, **kwargs)

    def meta_generator(device: Any = "cpu") -> Any:
        return NoGenerator() if torch.device(device) == META else generator(device)

    monkeypatch.setattr(torch, "autocast", meta_autocast)
    monkeypatch.setattr(torch, "Generator", meta_generator)


def meta_batch(dimensions: int, classes: int) -> Batch:
    """Return a batch of all three streams without values."""
    batch = batch_of(toy_labels(2, SIZES[dimensions], classes))
    streams = (batch.labeled, batch.unlabeled, batch.external)
    return Batch(
        *(
            replace(stream, **{name: value.to(META) for name, value in vars(stream).items() if value is not None})
            for stream in streams
        )
    )


def train(method: Method, batch: Batch) -> None:
    """Start every stage and compute a step of it with its gradients; what gets a gradient lies on the device."""
    for stage in method.stages():
        method.start_stage(stage, lambda step: batch)
        training_step = replace(MIDDLE, stage=stage.name)
        for objective in method.objectives():
            losses = objective.losses(batch, training_step)
            assert {loss.value.device for loss in losses.values()} == {META}
            total(loss.weight * loss.value for loss in losses.values() if loss.weight).backward()
        method.after_step(training_step)
    gradients = [parameter.grad for parameter in method.student.parameters()]
    assert all(gradient is not None and gradient.device == META for gradient in gradients)


@pytest.mark.parametrize(("method_id", "dimensions"), CASES)
def test_a_step_leaves_nothing_on_the_processor_and_reads_nothing(method_id: str, dimensions: int) -> None:
    few = {"prototype_batches": 2} if load_catalogue().method(method_id).has("prototype_batches") else {}
    method, batch = toy_method(method_id, dimensions, 3, **few).to(META), meta_batch(dimensions, 3)
    reading = pytest.raises(NotImplementedError) if method_id in READS else contextlib.nullcontext()
    with reading:
        train(method, batch)


@pytest.mark.parametrize(("method_id", "dimensions"), CASES)
def test_a_prediction_of_both_kinds_reads_nothing(method_id: str, dimensions: int) -> None:
    method = toy_method(method_id, dimensions, 3).to(META).eval()
    size = SIZES[dimensions]
    with torch.inference_mode():
        output = method.inference_network()(torch.empty((2, 1, *size), device=META))
        widths = [output.features(level).shape[1] for level in GAUSSIAN_LEVELS]
        means = torch.empty((3, sum(widths)), device=META)
        covariance = torch.empty((sum(widths), sum(widths)), device=META)
        valid = torch.ones(3, dtype=torch.bool, device=META)
        classifier = GaussianClassifier(GAUSSIAN_LEVELS, valid, means, covariance, torch.empty(3, device=META))
        logits = classifier.logits(output, size)
    assert (output.logits.shape, output.logits.device) == ((2, 3, *size), META)
    assert (logits.shape, logits.device) == ((2, 3, *size), META)
