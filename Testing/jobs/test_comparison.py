from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.comparison import Comparison, ComparisonSpec, comparisons, find_unfinished
from SemiSupervisedSegLib.jobs.comparison_specs import make_comparison_spec, new_comparison, settings_of
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import StudyFolder, study_of_job
from SemiSupervisedSegLib.study.model import Role, Study

METHODS = ("supervised", "mean_teacher")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three labeled cases and a validation case of two sites, and an unlabeled one."""
    folder = tmp_path_factory.mktemp("comparisons") / "study"
    study = generate_study(folder, labeled=3, unlabeled=1, external=0, validation=1, size=(32, 32, 4))
    sites = ("here", "there", "here", "there", "here")
    return replace(study, cases=tuple(replace(case, site=site) for case, site in zip(study.cases, sites, strict=True)))


def annotated(study: Study) -> list[str]:
    return [case.id for case in study.cases if case.annotation]


@pytest.mark.parametrize(("folds", "sizes"), [(None, [1, 1, 1, 1]), (3, [2, 1, 1]), (2, [2, 2])])
def test_each_annotated_case_is_held_back_once_and_trains_otherwise(study, tmp_path, folds, sizes):
    spec = make_comparison_spec(study, METHODS, "quick", {}, folds=folds, seeds=(0, 3))
    assert [len(fold) for fold in spec.folds] == sizes
    assert sorted(case for fold in spec.folds for case in fold) == sorted(annotated(study))
    comparison = new_comparison(study, spec)
    trainings = comparison.trainings()
    assert len(trainings) == 2 * 2 * len(sizes)
    for training in trainings:
        job = training.folder.spec()
        roles = {case.id: case.role for case in job.cases}
        assert {case for case, role in roles.items() if role is Role.VALIDATION} == set(spec.folds[training.fold])
        learned = {case for case, role in roles.items() if role is Role.LABELED}
        assert learned == set(annotated(study)) - set(spec.folds[training.fold])
        assert roles["case-005"] is Role.UNLABELED
        assert (job.kind, job.method, job.seed, job.preview_cases) == ("trial", training.method, training.seed, ())
        assert all(Path(case.image).is_file() for case in job.cases)
    shutil.rmtree(comparison.path)


def test_smaller_numbers_of_labels_are_parts_of_larger_ones_and_the_same_for_all_methods(study):
    spec = make_comparison_spec(study, METHODS, "quick", {}, folds=2, seeds=(0, 1, 2), label_counts=(2, 1, 2))
    assert spec.label_counts == (1, 2)
    comparison = new_comparison(study, spec)
    trainings = comparison.trainings()
    assert len({training.folder.path for training in trainings}) == 2 * 2 * 3 * 2
    learned: dict[tuple[int, int, int | None], set[frozenset[str]]] = {}
    for training in trainings:
        job = training.folder.spec()
        labeled = frozenset(case.id for case in job.cases if case.role is Role.LABELED)
        learned.setdefault((training.fold, training.seed, training.labels), set()).add(labeled)
        assert len(labeled) == training.labels
        hidden = set(annotated(study)) - labeled - set(spec.folds[training.fold])
        for case in job.cases:
            if case.id in hidden:
                assert (case.role, case.annotation) == (Role.UNLABELED, None)
    assert all(len(of_methods) == 1 for of_methods in learned.values())
    draws = {key: next(iter(of_methods)) for key, of_methods in learned.items()}
    for fold in range(2):
        assert all(draws[fold, seed, 1] < draws[fold, seed, 2] for seed in spec.seeds)
        assert len({draws[fold, seed, 1] for seed in spec.seeds}) > 1, "seeds draw"
    shutil.rmtree(comparison.path)


def test_folds_mix_the_sites(study):
    sites = {case.id: case.site for case in study.cases}
    for fold in make_comparison_spec(study, METHODS, "quick", {}, folds=2).folds:
        assert {sites[case] for case in fold} == {"here", "there"}


def test_a_method_takes_the_settings_that_it_has(study):
    spec = make_comparison_spec(study, METHODS, "quick", {"steps": "7", "unlabeled_batch": "1"})
    assert spec.settings == {"steps": 7, "unlabeled_batch": 1}
    assert settings_of(spec, "supervised") == {"steps": 7}
    assert settings_of(spec, "mean_teacher") == {"steps": 7, "unlabeled_batch": 1}


def with_roles(study: Study, *roles: str) -> Study:
    changed = (replace(case, role=Role(role)) for case, role in zip(study.cases, roles, strict=False))
    return replace(study, cases=(*changed, *study.cases[len(roles) :]))


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (("labeled", "ignored", "ignored", "ignored"), {}, "only one annotated image.*Annotate a second image"),
        (("ignored",) * 4, {}, "no annotated image.*Annotate at least two"),
        ((), {"methods": ("supervised", "supervised")}, "at least two methods"),
        ((), {"methods": ("supervised", "magic")}, "no method 'magic'"),
        ((), {"methods": ("supervised", "cu2l")}, r"\(CU2L\): There are no images without annotation from other sites"),
        ((), {"folds": 5}, "cannot be split into 5 folds.*2 to 4"),
        ((), {"folds": 1}, "cannot be split into 1 folds"),
        ((), {"settings": {"stepz": 3}}, "Did you mean steps"),
        ((), {"settings": {"steps": 0}}, "from 1 to"),
        ((), {"seeds": (-1,)}, "seed -1"),
        ((), {"folds": 2, "label_counts": (1, 3)}, "no 3 annotated images.*from 1 to 2"),
        ((), {"label_counts": (0,)}, "from 1 to 3"),
        ((), {"device": "gpu"}, "no device named"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(study, change, arguments, words):
    values = {"methods": METHODS, "preset": "quick", "settings": {}} | arguments
    changed = with_roles(replace(study, cases=tuple(replace(case, site="here") for case in study.cases)), *change)
    local = replace(changed, local_site="here")
    with pytest.raises(UserError, match=words):
        make_comparison_spec(local, values.pop("methods"), values.pop("preset"), values.pop("settings"), **values)
    assert not study.layout.comparisons.exists() or not comparisons(study.folder)


def test_the_same_request_finds_the_comparison_until_it_is_finished(study):
    spec = make_comparison_spec(study, METHODS, "quick", {"steps": 3})
    first, second = new_comparison(study, spec), new_comparison(study, spec)
    assert [item.name for item in comparisons(study.folder)] == ["001-compare", "002-compare"]
    assert find_unfinished(study.folder, spec).path == second.path
    assert find_unfinished(study.folder, replace(spec, seeds=(1,))) is None
    assert find_unfinished(study.folder, replace(spec, label_counts=(1,))) is None
    # Where it is trained, and how fast, changes nothing of what is asked.
    assert find_unfinished(study.folder, replace(spec, at_once=8, machine="box")).path == second.path
    second.write_result({})
    assert second.is_finished()
    assert find_unfinished(study.folder, spec).path == first.path
    for item in (first, second):
        shutil.rmtree(item.path)


def test_a_folder_without_its_request_is_no_comparison(study):
    comparison = new_comparison(study, make_comparison_spec(study, METHODS, "quick", {}))
    comparison.spec_file.unlink()
    assert comparisons(study.folder) == []
    with pytest.raises(UserError, match="no comparison"):
        comparison.request()
    shutil.rmtree(comparison.path)


@pytest.mark.parametrize(
    ("content", "words"),
    [("[", "damaged"), ("{}", "damaged"), ({"schema_version": 99}, "newer version"), ({"seeds": "0"}, "damaged")],
)
def test_a_request_that_cannot_be_read(tmp_path, content, words):
    spec = ComparisonSpec(METHODS, "quick", {}, "cpu", (0,), (("a",), ("b",)))
    comparison = Comparison(tmp_path)
    comparison.write_request(spec)
    assert comparison.request() == spec
    if isinstance(content, dict):
        content = json.dumps(json.loads(comparison.spec_file.read_text()) | content)
    comparison.spec_file.write_text(content)
    with pytest.raises(UserError, match=words):
        comparison.request()


def test_older_programs_read_what_they_know(tmp_path):
    spec = ComparisonSpec(METHODS, "quick", {}, "cpu", (0,), (("a",), ("b",)))
    comparison = Comparison(tmp_path)
    comparison.write_request(spec)
    old = json.loads(comparison.spec_file.read_text())
    assert old["schema_version"] == 1
    assert not old.keys() & {"label_counts", "at_once", "machine"}
    newer = replace(spec, label_counts=(2,), at_once=3, machine="box")
    comparison.write_request(newer)
    assert json.loads(comparison.spec_file.read_text())["schema_version"] == 2
    assert comparison.request() == newer


def test_a_moved_study_has_its_own_files_in_the_jobs_of_its_comparisons(study, tmp_path):
    comparison = new_comparison(study, make_comparison_spec(study, METHODS, "quick", {}))
    moved = tmp_path / "elsewhere"
    shutil.copytree(study.folder, moved)
    shutil.rmtree(comparison.path)
    for training in comparisons(moved)[0].trainings():
        for case in training.folder.spec().cases:
            assert Path(case.image).is_relative_to(moved)
            assert case.annotation is None or Path(case.annotation).is_relative_to(moved)


def test_the_study_of_a_job_folder():
    study = StudyFolder("study")
    assert study_of_job(study.rounds / "001-cu2l").path == study.path
    inside = study.comparisons / "001-compare" / "cu2l-fold1-seed0"
    assert study_of_job(inside).path == study.path
    assert study.has_job(inside)
    assert not study.has_job(study.path / "elsewhere" / "001-cu2l")
