"""Streams of cases, the pooling of sites, and the words for what a method lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.needs import missing, missing_in_study, needs_of, streams_of, training_cases
from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study

KINDS = {
    "l": (Role.LABELED, "here", "a.seg.nrrd"),
    "v": (Role.VALIDATION, "there", "v.seg.nrrd"),
    "u": (Role.UNLABELED, "here", None),
    "e": (Role.UNLABELED, "there", None),
    "i": (Role.IGNORED, "here", None),
}
METHODS = load_catalogue().methods


def make_study(kinds: str) -> Study:
    cases = []
    for number, letter in enumerate(kinds):
        role, site, annotation = KINDS[letter]
        cases.append(Case(f"{letter}{number}", f"{number}.nrrd", site, role, annotation))
    structures = (Structure("wall", 1, (255, 0, 0)), Structure("chamber", 2, (0, 255, 0)))
    return Study(Path("/study"), "hearts", Modality.MR, "here", structures, tuple(cases))


def ids(streams) -> dict[str, list[str]]:
    return {name: [case.id for case in group] for name, group in streams.items()}


def test_sites_are_pooled_for_methods_that_do_not_tell_them_apart() -> None:
    cases = training_cases(make_study("luevi"))
    assert ids(streams_of(cases, frozenset({"labeled", "unlabeled"}))) == {"labeled": ["l0"], "unlabeled": ["u1", "e2"]}
    assert ids(streams_of(cases, frozenset({"labeled", "unlabeled", "external"}))) == {
        "labeled": ["l0"],
        "unlabeled": ["u1"],
        "external": ["e2"],
    }
    assert ids(streams_of(cases, frozenset({"labeled"}))) == {"labeled": ["l0"]}


@pytest.mark.parametrize("method", [entry for entry in METHODS.values() if entry.streams == {"labeled", "unlabeled"}])
def test_unlabeled_cases_of_another_site_are_enough_where_sites_are_pooled(method) -> None:
    study = make_study("le")
    assert missing_in_study(study, method) is None
    spec = make_training_spec(study, method.id, "quick", {})
    assert missing(spec.cases, method) is None
    assert [need.count for need in needs_of(training_cases(study), method)] == [1, 1]


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
@pytest.mark.parametrize("kinds", ["", "v", "l", "lu", "lue", "le", "ue"])
def test_a_missing_stream_is_named_with_advice(method, kinds: str) -> None:
    study = make_study(kinds)
    pooled = "ue" if "external" not in method.streams else "u"
    filled = {
        "labeled": "l" in kinds,
        "unlabeled": any(letter in kinds for letter in pooled),
        "external": "e" in kinds,
    }
    problem = missing_in_study(study, method)
    assert (problem is None) == all(filled[stream] for stream in method.streams)
    if problem is not None:
        assert problem.message.startswith("There are no ")
        assert problem.advice
        with pytest.raises(UserError, match=problem.message):
            make_training_spec(study, method.id, "quick", {})


def test_the_local_site_is_named_only_where_sites_are_told_apart() -> None:
    assert "local site" in missing_in_study(make_study("le"), METHODS["cu2l"]).message
    assert "local site" not in missing_in_study(make_study("l"), METHODS["mean_teacher"]).message


@pytest.mark.parametrize("role", [Role.LABELED, Role.VALIDATION])
def test_a_role_without_its_annotation_is_named(role: Role) -> None:
    complete = JobCase("done", "a.nrrd", "here", Role.LABELED, False, "a.seg.nrrd")
    problem = missing([complete, JobCase("bare", "b.nrrd", "here", role, False)], METHODS["supervised"])
    assert f"case bare has the role {role.value}" in problem.message


def test_partial_annotations_are_refused_unless_the_method_learns_from_them() -> None:
    case = JobCase("part", "a.nrrd", "here", Role.LABELED, False, "a.seg.nrrd", ("wall",))
    assert "part" in missing([case], METHODS["supervised"]).message
    unlabeled = JobCase("u", "b.nrrd", "here", Role.UNLABELED, False)
    assert missing([case, unlabeled], METHODS["unisemi"]) is None
