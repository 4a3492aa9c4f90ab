"""Rounds of a method with two stages and a changed network, done by the worker from images to the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Progress, StageStarted, StepDone
from SemiSupervisedSegLib.planning.networks import NetworkSpec

from .rounds import EXIT_CANCELLED, EXIT_FINISHED, main, new_round, run_until, tiny_study

SETTINGS = {"steps": 4, "prototype_batches": 2, "boundary_voxels": 50, "preview_interval": 3}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    return tiny_study(tmp_path_factory.mktemp("stages") / "study", structures=3)


@pytest.fixture(scope="module")
def trained(study):
    folder = new_round(study, "aua", SETTINGS)
    assert main(folder.path) == EXIT_FINISHED
    return folder


def test_both_stages_are_told_and_logged(trained):
    events, _ = trained.events()
    stages = [event for event in events if isinstance(event, StageStarted)]
    # Nothing that takes seconds is without a name.
    assert [event.name for event in stages][:4] == ["inspect", "preprocess", "load", "build"]
    assert [event.steps for event in stages][2:4] == [0, 0]
    assert [(e.name, e.steps) for e in stages if e.name in ("uncertainty", "retraining")] == [
        ("uncertainty", 2),
        ("retraining", 2),
    ]
    steps = {event.stage: event.losses for event in events if isinstance(event, StepDone)}
    assert {"supervised", "consistency", "boundary"} <= set(steps["uncertainty"])
    assert {"supervised", "pseudo_label", "prototype_labeled"} <= set(steps["retraining"])
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [1, 2, 3, 4]


def is_gathering(event):
    return isinstance(event, Progress) and event.stage == "retraining"


def test_gathering_prototypes_shows_progress_and_can_be_stopped(trained, study):
    events, _ = trained.events()
    gathered = [(event.done, event.total) for event in events if is_gathering(event)]
    assert gathered == [(1, 2), (2, 2)]

    settings = {**SETTINGS, "prototype_batches": 10**6, "checkpoint_interval": 1000}
    folder = new_round(study, "aua", settings)
    assert run_until(folder, is_gathering) == EXIT_CANCELLED
    assert [event.step for event in folder.events()[0] if isinstance(event, CheckpointSaved)] == [2]


def test_the_model_has_the_changed_network_and_prototypes_of_its_embedding(trained):
    model = load_bundle(trained.model)
    assert model.plan.network == NetworkSpec("unet_2d", embedded=True)
    assert model.classifier.means.shape == (4, 16 + 32)
    assert model.classifier.valid.all()
    images = torch.randn(1, 1, *model.plan.patch)
    with torch.no_grad():
        output = model.network(images)
        assert torch.equal(output.logits, model.network.head(output.decoder_full))
    assert output.decoder_full.min() < 0


def test_every_case_has_both_predictions(trained, study):
    for case in study.cases:
        names = {path.name for path in (trained.predictions / case.id).iterdir()}
        assert {"final.seg.nrrd", "prototype.seg.nrrd"} <= names


def test_a_later_round_goes_on_from_the_model(trained, study):
    folder = new_round(study, "aua", {**SETTINGS, "steps": 2}, warm_start=Path(trained.model))
    assert main(folder.path) == EXIT_FINISHED
