"""A method of the catalogue through the worker: it learns, goes on after a stop as if there was none, and predicts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from SemiSupervisedSegLib.engine.inference.write import read_classes
from SemiSupervisedSegLib.engine.methods.method import MethodContext
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.jobs.events import StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.study.model import Study

from ..methods.toys import toy_network
from .rounds import EXIT_CANCELLED, EXIT_FINISHED, main, new_round, run_until, tiny_study

STEPS = 30
"""Steps of the last stage, which may start from a new network."""
SETTINGS = {
    "labeled_batch": 2,
    "unlabeled_batch": 2,
    "external_batch": 1,
    "checkpoint_interval": 1000,
    "learning_rate": 0.02,
}
PATCHES = {2: "32x32", 3: "16x16x32"}
STUDIES = {2: {"size": (32, 32, 4)}, 3: {"size": (32, 20, 16), "spacing": (1.0, 1.0, 1.0)}}


def easy_study(folder: Path, dimensions: int, structures: int) -> Study:
    return tiny_study(
        folder,
        external=1,
        sites=2,
        labeled=2,
        structures=structures,
        difficulty=0.0,
        oblique=False,
        **STUDIES[dimensions],
    )


def learns_and_predicts(study: Study, dimensions: int, method: str, **changes: object) -> JobFolder:
    """Train a round to its end, check what came of it, and return it."""
    folder = new_round(study, method, settings_of(dimensions, method) | changes)
    assert main(folder.path) == EXIT_FINISHED
    assert_loss_falls(folder)
    assert_predicts(folder)
    return folder


def goes_on_after_a_stop(study: Study, dimensions: int, method: str, whole: JobFolder, **changes: object) -> None:
    """Stop a round of the same job on its way, go on, and compare it with one that was never stopped."""
    interrupted = new_round(study, method, settings_of(dimensions, method) | changes)
    stopped_at = stop_after(interrupted, 10)
    assert 10 <= stopped_at < STEPS
    assert main(interrupted.path) == EXIT_FINISHED
    assert_same_weights(whole, interrupted)


def settings_of(dimensions: int, method: str) -> dict[str, object]:
    """Return the settings of a training whose last stage has `STEPS` steps."""
    settings = resolve(method, "quick", dimensions=dimensions)
    context = MethodContext(partial(toy_network, dimensions, 2), 2, dimensions, settings)
    share = build_method(method, context).stages()[-1].share
    return {**SETTINGS, "steps": round(STEPS / share), "dimension": f"{dimensions}d", "patch_size": PATCHES[dimensions]}


def assert_loss_falls(folder: JobFolder) -> None:
    """The mean over ten steps of what supervises, at the end and at the start of the last stage."""
    steps = [event for event in folder.events()[0] if isinstance(event, StepDone)]
    course = [event.losses for event in steps if event.stage == steps[-1].stage]
    name = next(iter(course[0]))
    assert course[-1][name] < course[0][name], course


def assert_predicts(folder: JobFolder) -> None:
    spec = folder.spec()
    for case in spec.cases:
        for kind in ("final", "prototype"):
            classes = read_classes(folder.predictions / case.id / f"{kind}.seg.nrrd", spec.structures)
            assert classes.max() <= len(spec.structures)
    found = [
        np.unique(read_classes(folder.predictions / case.id / "prototype.seg.nrrd", spec.structures)).size
        for case in spec.cases
    ]
    assert max(found) > 1, "no structure was found by its prototype"


def stop_after(folder: JobFolder, step: int) -> int:
    """Ask the worker to stop once it reports a step, and return where it stopped."""
    code = run_until(folder, lambda event: isinstance(event, StepDone) and event.step >= step)
    assert code == EXIT_CANCELLED
    return folder.events()[0][-1].step


def assert_same_weights(first: JobFolder, second: JobFolder) -> None:
    """Also the same classifier by class prototypes."""
    for file in ("model.pt", "prototypes.pt"):
        before, after = (
            torch.load(weights_of(folder).with_name(file), weights_only=True) for folder in (first, second)
        )
        assert before.keys() == after.keys()
        assert not [name for name, value in before.items() if not torch.equal(value, after[name])]


def weights_of(folder: JobFolder) -> Path:
    return folder.model / "models" / "model.pt"
