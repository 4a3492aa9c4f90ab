"""A study whose labeled cases are annotated for one structure each, from the job to scores and review."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.data.batches import BatchSource
from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.engine.inference.write import read_classes
from SemiSupervisedSegLib.engine.tensor_files import load_tensors
from SemiSupervisedSegLib.engine.training.validation import validation_dice
from SemiSupervisedSegLib.jobs.events import Validated, WarningRaised
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.planning.cache import prepare_cache
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.model import Role, Study
from SemiSupervisedSegLib.study.store import save_study

from ...benchmarks.accuracy.multi_task import only, partial_study
from .rounds import EXIT_CANCELLED, EXIT_FINISHED, SETTINGS, assert_fails_with, copy_of, main, new_round

PAIRS = {"labeled_batch": 2, "unlabeled_batch": 2}
SIZE = {"labeled": 3, "unlabeled": 1, "validation": 2, "size": (32, 32, 4)}
NAMES = ["chamber", "wall", "chamber 2"]


def partial(folder) -> Study:
    """Three labeled cases for one structure each; the first validation case is annotated for the wall alone."""
    study = partial_study(folder, 0, **SIZE)
    first = study.cases_of(Role.VALIDATION)[0]
    write_segmentation(study.annotation_path(first), only(study, first, 2), study.structures)
    cases = tuple(dataclasses.replace(item, structures=("wall",)) if item is first else item for item in study.cases)
    study = dataclasses.replace(study, cases=cases)
    save_study(study)
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return partial(tmp_path_factory.mktemp("partial") / "study")


@pytest.fixture(scope="module")
def finished(study):
    folder = new_round(study, "unisemi", PAIRS | {"steps": 4, "validation_interval": 2})
    assert main(folder.path) == EXIT_FINISHED
    return folder


@pytest.mark.parametrize("method", ["uni_bcp", "uni_caussl"])
def test_networks_without_prompts_learn_several_tasks(study, method):
    folder = new_round(study, method, PAIRS | {"steps": 4})
    assert main(folder.path) == EXIT_FINISHED
    spec = folder.spec()
    for case in spec.cases:
        classes = read_classes(folder.predictions / case.id / "final.seg.nrrd", spec.structures)
        assert classes.max() <= len(spec.structures)


def test_the_model_answers_for_all_tasks(finished):
    model = load_bundle(finished.model)
    assert model.plan.network == NetworkSpec("unet_2d", tasks=((1,), (2,), (3,)))
    assert model.network.tasks == ((1,), (2,), (3,))
    assert model.classifier.valid.all(), "also background, although no case is annotated for everything"
    for case in finished.spec().cases:
        place = finished.predictions / case.id
        assert read_classes(place / "final.seg.nrrd", model.structures).max() <= 3
        assert (place / "prototype.seg.nrrd").is_file()


def test_scores_are_of_what_a_case_is_annotated_for(study, finished):
    partly, whole = (case.id for case in study.cases_of(Role.VALIDATION))
    scores = read_metrics(finished.metrics)
    assert {(score.case, score.structure) for score in scores} == {(partly, "wall"), *((whole, name) for name in NAMES)}
    assert finished.report.is_file()
    (first, *_) = (event for event in finished.events()[0] if isinstance(event, Validated))
    assert list(first.dice) == NAMES


def test_no_warning_with_several_tasks_and_one_with_a_single_task(study, finished, tmp_path):
    assert not [event for event in finished.events()[0] if isinstance(event, WarningRaised)]
    cases = tuple(case for case in study.cases if case.role is not Role.LABELED or case.structures == ("wall",))
    alone = dataclasses.replace(study, cases=cases)
    folder = next_round(study.folder, "unisemi")
    values = {**SETTINGS, **PAIRS}
    del values["external_batch"]
    folder.write_spec(make_training_spec(alone, "unisemi", "quick", values, device="cpu"))
    assert main(folder.path) == EXIT_FINISHED
    warnings = [event.message for event in folder.events()[0] if isinstance(event, WarningRaised)]
    assert sum("one task only" in warning for warning in warnings) == 1
    assert "one task only" in folder.report.read_text(encoding="utf-8")
    names = [structure.name for structure in alone.structures]
    assert names == NAMES
    found = np.concatenate(
        [read_classes(folder.predictions / c.id / "final.seg.nrrd", alone.structures) for c in cases]
    )
    assert set(np.unique(found)) <= {0, 2}, "what nobody annotated is nowhere predicted"


def test_where_images_show_one_organ_each_a_case_is_segmented_for_its_own(study):
    folder = new_round(study, "unisemi", PAIRS | {"shared_anatomy": False, "validation_interval": 1})
    assert main(folder.path) == EXIT_FINISHED
    for case in folder.spec().cases:
        own = [1 + NAMES.index(name) for name in case.structures or NAMES]
        for kind in ("final", "prototype"):
            found = read_classes(folder.predictions / case.id / f"{kind}.seg.nrrd", study.structures)
            assert set(np.unique(found)) <= {0, *own}, (case.id, kind)
    assert [event for event in folder.events()[0] if isinstance(event, Validated)]


def test_a_round_goes_on_bit_for_bit(finished, monkeypatch):
    folder = copy_of(finished)
    for name in ("result.json", "plan.json"):
        (folder.path / name).unlink()
    (folder.path / "checkpoints" / "last.pt").unlink()
    folder.path.joinpath("events.jsonl").unlink()
    steps = []
    monkeypatch.setattr(
        "SemiSupervisedSegLib.engine.worker.reporter.Reporter.stop_requested",
        lambda reporter: len(steps) < 1 and reporter.saved_step >= 1 and not steps.append(1),
    )
    assert main(folder.path) == EXIT_CANCELLED
    assert main(folder.path) == EXIT_FINISHED
    both = [load_tensors(place.model / "models" / "model.pt") for place in (finished, folder)]
    assert all(torch.equal(value, both[1][name]) for name, value in both[0].items())


def test_methods_that_need_all_structures_refuse_in_the_worker_too(study):
    folder = new_round(study, "unisemi", PAIRS)
    data = json.loads((folder.path / "job.json").read_text())
    data |= {"method": "supervised", "settings": {"threads": 1}}
    (folder.path / "job.json").write_text(json.dumps(data))
    assert_fails_with(folder, "Supervised needs annotations of all structures", "Choose UniSeMi")


def test_a_case_that_got_another_structure_meanwhile_is_refused(tmp_path):
    study = partial(tmp_path / "study")
    folder = new_round(study, "unisemi", PAIRS)
    whole, first = study.cases_of(Role.VALIDATION)[1], study.cases_of(Role.LABELED)[1]
    write_segmentation(study.annotation_path(first), only(study, whole, 1), study.structures)
    assert_fails_with(folder, "contains 'chamber', which its case is not annotated for")


def test_batches_say_the_task_of_every_image(study, finished):
    spec, plan = finished.spec(), load_bundle(finished.model).plan
    cases = prepare_cache(spec.cases, plan, study.folder / "cache", spec.structures, lambda done, total: None)
    settings = {"labeled_batch": 6, "unlabeled_batch": 2, "cache_budget_mb": 16, "foreground_share": 1.0}
    source = BatchSource(cases, frozenset({"labeled", "unlabeled"}), plan, settings, 0, torch.device("cpu"))
    seen = set()
    for step in range(6):
        source.prepare(step)
        batch = source(step)
        for labels, task in zip(batch.labeled.labels, batch.labeled.tasks.tolist(), strict=True):
            assert set(labels.unique().tolist()) <= {0, 1 + task}
            seen.add(task)
        assert batch.unlabeled.tasks.tolist() == [-1, -1]
    source.close()
    assert seen == {0, 1, 2}


def test_validation_counts_annotated_structures_only(study, finished):
    model, spec = load_bundle(finished.model), finished.spec()
    cases = prepare_cache(spec.cases, model.plan, study.folder / "cache", spec.structures, lambda done, total: None)
    partly, whole = (case for case in cases if case.role is Role.VALIDATION)
    settings, device = {"window_overlap": 0.0, "window_stride": "auto"}, choose_device("cpu", "float32", 1)
    alone, both = (
        validation_dice(model.network, group, model.plan, settings, device) for group in ([partly], [partly, whole])
    )
    other = validation_dice(model.network, [whole], model.plan, settings, device)
    assert np.isnan(alone).tolist() == [True, False, True]
    assert both == pytest.approx([other[0], (alone[1] + other[1]) / 2, other[2]])
