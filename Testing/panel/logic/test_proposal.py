from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.panel.logic.proposal import propose, recommend
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study

STRUCTURES = (Structure("liver", 1, (1, 2, 3)), Structure("tumor", 2, (4, 5, 6)))


def case(case_id: str, role: Role, site: str = "Home", structures: tuple[str, ...] | None = None) -> Case:
    annotation = f"{case_id}.seg.nrrd" if role.needs_annotation else None
    return Case(case_id, f"{case_id}.nrrd", site, role, annotation, structures)


def study(*cases: Case) -> Study:
    return Study(Path("/nowhere"), "Livers", Modality.MR, "Home", STRUCTURES, tuple(cases))


LABELED = case("a", Role.LABELED)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (
            [case("b", Role.UNLABELED), case("c", Role.UNLABELED, "Away"), case("d", Role.LABELED)],
            ("self_training", "2 images have no annotation, 1 of them from other sites, beside 2 annotated ones"),
        ),
        ([case("b", Role.UNLABELED)], ("self_training", "1 image has no annotation beside 1 annotated one")),
        ([], ("supervised", "the only image to learn from is annotated")),
        ([case("b", Role.LABELED)], ("supervised", "all 2 images to learn from are annotated")),
        (
            [case("b", Role.UNLABELED), case("c", Role.LABELED, structures=("liver",))],
            ("unisemi", "1 image is annotated for a part of the structures only"),
        ),
    ],
)
def test_the_recommended_method_is_one_that_the_study_has_everything_for(others, expected):
    found = recommend(study(LABELED, *others))
    assert (found.method, found.reason) == expected


def test_nothing_is_recommended_without_annotations():
    assert recommend(study(case("b", Role.UNLABELED))) is None


def finished(folder: Path, cases: Study, method: str) -> JobFolder:
    made = JobFolder(folder / f"001-{method}")
    made.write_spec(make_training_spec(cases, method, "quick", {"steps": 7}))
    return made


def test_the_next_round_is_like_the_last_training(tmp_path):
    cases = study(LABELED, case("b", Role.UNLABELED), case("c", Role.UNLABELED, "Away"))
    found = propose(cases, [finished(tmp_path, cases, "ua_mt")])
    assert (found.method, found.preset, dict(found.settings)) == ("ua_mt", "quick", {"steps": 7})


def test_after_the_last_unlabeled_case_was_accepted_another_method_is_proposed(tmp_path):
    cases = study(LABELED, case("b", Role.UNLABELED), case("c", Role.UNLABELED, "Away"))
    folder = finished(tmp_path, cases, "cu2l")
    accepted = dataclasses.replace(case("b", Role.LABELED))
    left = study(LABELED, accepted, case("c", Role.UNLABELED, "Away"))
    assert propose(left, [folder]).method == "self_training"
    assert propose(study(LABELED, accepted), [folder]).method == "supervised"


def test_a_damaged_round_is_no_example(tmp_path):
    cases = study(LABELED)
    folder = finished(tmp_path, cases, "supervised")
    (folder.path / "job.json").write_text('{"kind": "train", "method": "supervised", "device": "cpu"}')
    assert propose(cases, [folder]).method == "supervised"
