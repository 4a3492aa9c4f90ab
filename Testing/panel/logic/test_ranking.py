from __future__ import annotations

import json
from pathlib import Path

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import CaseSummary, read_summaries
from SemiSupervisedSegLib.panel.logic.ranking import (
    neighbour,
    next_to_review,
    ranked,
)


def summary(case_id: str, uncertainty: float, disagreement: float, volume: float = 1.0) -> CaseSummary:
    return CaseSummary(case_id, {"liver": volume}, {"liver": 1.0}, {"liver": 0.9}, uncertainty, disagreement)


def write(folder: Path, case_id: str, **changes: object) -> Path:
    content = {
        "case": case_id,
        "volume_final_ml": {"liver": 2.5},
        "volume_prototype_ml": {"liver": 2.0},
        "dice": {"liver": 0.8},
        "mean_uncertainty": 0.25,
        "disagreement": 0.5,
    }
    (folder / case_id).mkdir(parents=True)
    (folder / case_id / "summary.json").write_text(json.dumps(content | changes))
    return folder / case_id


def order(*summaries: CaseSummary, annotated: tuple[str, ...] = ()) -> str:
    return "".join(item.case for item in ranked(summaries, annotated))


def test_disagreement_and_uncertainty_count_alike_whatever_their_scales():
    # b is first in disagreement and last in uncertainty, c second and first, a last and second.
    assert order(summary("a", 0.002, 0.2), summary("b", 0.001, 0.9), summary("c", 0.003, 0.8)) == "cba"
    assert order(summary("a", 0.5, 0.0), summary("b", 0.1, 0.0), summary("c", 0.9, 0.0)) == "cab"


def test_cases_in_which_nothing_was_found_come_first():
    assert order(summary("a", 0.5, 0.5), summary("b", 0.0, 0.0, volume=0.0)) == "ba"


def test_cases_that_had_an_annotation_come_last():
    assert order(summary("a", 0.9, 0.9), summary("b", 0.1, 0.1), summary("c", 0.2, 0.2), annotated=("a",)) == "cba"


def test_equal_cases_are_in_the_order_of_their_names():
    assert order(summary("b", 0.5, 0.5), summary("a", 0.5, 0.5), summary("c", 0.5, 0.5)) == "abc"


def test_a_thousand_cases_are_read_and_ranked(tmp_path):
    folder = JobFolder(tmp_path)
    for number in range(1000):
        write(folder.predictions, f"case-{number:04d}", disagreement=number / 1000)
    result = ranked(list(read_summaries(folder)))
    assert [item.case for item in result[:2]] == ["case-0999", "case-0998"]
    assert len(result) == 1000


def test_the_next_case_is_the_first_of_the_ranking_that_is_not_done():
    cases = ["a", "b", "c", "d"]
    assert next_to_review(cases, "a", {"b"}) == "c"
    assert next_to_review(cases, "d", {"d"}) == "a"
    assert next_to_review(cases, "c", {"a", "b", "d"}) is None
    assert next_to_review(cases, None, {"a"}) == "b"
    assert next_to_review([], None, set()) is None


def test_neighbours_in_the_list():
    cases = ["a", "b", "c"]
    assert neighbour(cases, "a", 1) == "b"
    assert neighbour(cases, "a", -1) is None
    assert neighbour(cases, "c", 1) is None
    assert neighbour(cases, "elsewhere", 1) == "a"
    assert neighbour([], None, 1) is None
