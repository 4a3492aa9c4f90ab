"""A method shows the settings that it or the engine reads, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

import SemiSupervisedSegLib
from SemiSupervisedSegLib.engine.methods.method import MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue, resolve

from .toys import toy_batch, toy_network

CATALOGUE = load_catalogue()
PACKAGE = Path(SemiSupervisedSegLib.__file__).parent
READ_ELSEWHERE = {
    *("steps", "labeled_batch", "unlabeled_batch", "external_batch", "foreground_share", "cache_budget_mb"),
    *("optimizer", "learning_rate", "momentum", "weight_decay", "learning_rate_schedule", "gradient_clipping"),
    *("network", "dimension", "patch_size", "patch_extent", "in_plane_scale", "precision", "threads"),
    *("augmentation", "keep_orientation"),
    *("largest_component", "average_weights", "mirrored_prediction", "prototype_classifier"),
    *("validation_interval", "checkpoint_interval", "preview_interval", "window_overlap", "window_stride"),
}
"""What the plan, the loop, the batches and the predictions read, whatever the method."""
FEW = {"prototype_batches": 1, "boundary_voxels": 50}
CLASSES = 4


class Spy(Mapping):
    """Settings that remember which of them were read."""

    def __init__(self, values: Mapping) -> None:
        self._values, self.read = values, set()

    def __getitem__(self, name: str):
        value = self._values[name]
        self.read.add(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def names_of(method: str) -> set[str]:
    return {setting.name for setting in CATALOGUE.method(method).settings}


def fidelities(method: str) -> tuple[str, ...]:
    return CATALOGUE.method(method).setting("fidelity").choices if "fidelity" in names_of(method) else ("",)


def read_by(method_id: str, fidelity: str, dimensions: int) -> set[str]:
    """Train a method for the first and the last step of every stage and return the settings that it read."""
    chosen = {name: value for name, value in FEW.items() if name in names_of(method_id)}
    if fidelity:
        chosen["fidelity"] = fidelity
    spy = Spy(resolve(method_id, "standard", chosen, dimensions))
    tasks = ((1,), (2, 3)) if CATALOGUE.method(method_id).partial_annotations else ()
    build = partial(toy_network, dimensions, CLASSES)
    method = build_method(method_id, MethodContext(build, CLASSES, dimensions, spy, tasks)).train()
    method.warnings()
    batch = toy_batch(dimensions, CLASSES)
    for stage in method.stages():
        method.start_stage(stage, lambda _: batch)
        for step in (TrainingStep(0, 10, stage.name), TrainingStep(9, 10, stage.name)):
            for objective in method.objectives():
                objective.losses(batch, step)
            method.after_step(step)
    method.inference_network()
    return spy.read


@pytest.mark.parametrize("method", CATALOGUE.methods)
def test_a_method_reads_the_settings_that_it_shows_and_no_others(method: str) -> None:
    dimensions = CATALOGUE.method(method).dimensions
    read = {name for fidelity in fidelities(method) for each in dimensions for name in read_by(method, fidelity, each)}
    assert read <= names_of(method)
    # The catalogue itself follows the released code where that differs in values only.
    assert names_of(method) - read <= READ_ELSEWHERE | {"fidelity"}


@pytest.mark.parametrize("method", CATALOGUE.methods)
def test_to_follow_the_released_code_changes_something(method: str) -> None:
    for fidelity in fidelities(method)[1:]:
        values = CATALOGUE.method(method).released_code
        assert (
            values.values
            or values.by_dimension[2]
            or values.by_dimension[3]
            or "fidelity" in read_by(method, fidelity, 2)
        )


@pytest.mark.parametrize("name", sorted(READ_ELSEWHERE))
def test_settings_of_all_methods_are_read_by_the_engine(name: str) -> None:
    files = [path for room in ("planning", "engine") for path in (PACKAGE / room).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.parent.name != "methods"]
    literal = 'f"{name}_batch"' if name.endswith("_batch") else f'"{name}"'
    assert any(literal in text for text in texts)
