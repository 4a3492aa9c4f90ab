"""Summaries of a round's cases, as the worker writes them and as everything else reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import (
    CaseSummary,
    is_predicted,
    prediction_sources,
    read_summaries,
    read_summary,
    write_summary,
)
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

SUMMARY = CaseSummary("liver1", {"liver": 2.5}, {"liver": 0.0}, {"liver": 0.8}, 0.25, 0.5)
# As every version has written it; newer ones add the hash of the image.
CONTENT = {
    "case": "liver1",
    "volume_final_ml": {"liver": 2.5},
    "volume_prototype_ml": {"liver": 0.0},
    "dice": {"liver": 0.8},
    "mean_uncertainty": 0.25,
    "disagreement": 0.5,
}


def case_folder(parent: Path, name: str = "liver1", **changes: object) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(CONTENT | changes))
    return folder


def test_a_summary_is_read_as_it_was_written(tmp_path):
    assert read_summary(case_folder(tmp_path)) == SUMMARY
    folder = tmp_path / "new" / "liver1"
    folder.mkdir(parents=True)
    write_summary(folder, SUMMARY)
    assert json.loads((folder / "summary.json").read_text()) == CONTENT | {
        "image_digest": "",
        "expected_dice": {},
        "flags": {},
    }
    assert read_summary(folder) == SUMMARY


def test_uncertainty_is_what_the_expected_dice_lacks_and_the_entropy_in_older_rounds():
    assert SUMMARY.uncertainty == 0.25
    assert replace(SUMMARY, expected_dice={"liver": 0.9, "spleen": 0.5}).uncertainty == pytest.approx(0.3)


def test_empty_predictions_are_told_apart():
    assert not SUMMARY.is_empty()
    assert SUMMARY.is_empty("prototype")


def test_a_newer_version_may_say_more_and_the_folder_names_the_case(tmp_path):
    assert read_summary(case_folder(tmp_path, "liver7", added=[1])).case == "liver7"


@pytest.mark.parametrize(
    "changes", [{"mean_uncertainty": None}, {"mean_uncertainty": float("nan")}, {"dice": [1]}, {"volume_final_ml": 3}]
)
def test_a_damaged_summary_is_explained_and_left_out_of_lists(tmp_path, changes):
    folder = JobFolder(tmp_path)
    damaged = case_folder(folder.predictions, "a", **changes)
    case_folder(folder.predictions, "b")
    with pytest.raises(UserError, match="prediction of case a cannot be read"):
        read_summary(damaged)
    assert [summary.case for summary in read_summaries(folder)] == ["b"]


def test_a_round_without_predictions_has_no_summaries(tmp_path):
    folder = JobFolder(tmp_path / "nothing")
    assert list(read_summaries(folder)) == []
    assert not is_predicted(folder, "a")


def test_the_final_predictions_of_a_round_are_what_is_exported(tmp_path):
    folder = JobFolder(tmp_path)
    cases = tuple(JobCase(name, f"/{name}.nrrd", "", Role.UNLABELED, external=False) for name in ("a", "b"))
    folder.write_spec(JobSpec("predict", "", "", {}, "cpu", 0, "new", None, (), cases))
    (folder.predictions / "b").mkdir(parents=True)
    (folder.predictions / "b" / "final.seg.nrrd").write_bytes(b"")
    (source,) = prediction_sources(folder)
    assert (source.case_id, source.image, source.is_prediction) == ("b", Path("/b.nrrd"), True)
