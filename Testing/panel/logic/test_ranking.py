from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import CaseSummary, read_summaries
from SemiSupervisedSegLib.panel.logic.ranking import (
    neighbour,
    next_to_review,
    noise_precision,
    ranked,
)

OLD = {"a": 0.1, "b": 0.9, "c": 0.4}


def summary(case_id: str, liver: float, spleen: float = 0.0, volume: float = 1.0) -> CaseSummary:
    """A case with the uncertainties of its structures."""
    expected = {"liver": 1 - liver, "spleen": 1 - spleen}
    return CaseSummary(case_id, {"liver": volume}, {"liver": 1.0}, {"liver": 0.9}, 0.5, 0.5, "", expected)


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


def order(*summaries: CaseSummary, annotated: tuple[str, ...] = (), **state: object) -> list[str]:
    return [item.case for item in ranked(summaries, annotated, **state)]


def many(count: int = 200) -> list[CaseSummary]:
    draw = random.Random(0)
    return [summary(f"{number:03d}", draw.uniform(0.1, 0.9), draw.uniform(0.1, 0.9)) for number in range(count)]


def test_the_same_study_round_and_results_give_the_same_order():
    cases = many()
    first = order(*cases, study="heart", round_number=2)
    assert order(*reversed(cases), study="heart", round_number=2) == first
    assert sorted(first) == [case.case for case in cases]
    assert order(*cases, study="heart", round_number=3) != first
    assert order(*cases, study="head", round_number=2) != first


def test_noise_falls_from_round_to_round_and_then_stays():
    precisions = [noise_precision(number) for number in range(1, 8)]
    np.testing.assert_allclose(precisions, [1, 10**0.5, 10, 10**1.5, 100, 100, 100])

    def rank_correlation(round_number: int) -> float:
        cases = [summary(f"{number:03d}", number / 200, number / 200) for number in range(1, 200)]
        places = order(*cases, study="heart", round_number=round_number)
        return float(np.corrcoef(range(199), [-int(case) for case in places])[0, 1])

    early, late = rank_correlation(1), rank_correlation(5)
    assert 0.1 < early < 0.9
    assert late > 0.99


def test_of_three_places_two_are_for_structures_in_turn_and_one_is_for_the_case():
    """In late rounds the noise is small: what each case is chosen for can be told from its place."""
    of_liver = [summary(f"liver{number}", 0.9 - number / 20, 0.01) for number in range(4)]
    of_spleen = [summary(f"spleen{number}", 0.01, 0.9 - number / 20) for number in range(4)]
    of_both = [summary(f"both{number}", 0.52 - number / 50, 0.52 - number / 50) for number in range(4)]
    places = order(*of_liver, *of_spleen, *of_both, study="heart", round_number=9)
    for first in (0, 3):
        kinds = {case.rstrip("0123456789") for case in places[first : first + 3]}
        assert kinds == {"liver", "spleen", "both"}


def test_cases_in_which_nothing_was_found_come_first():
    assert order(summary("a", 0.5), summary("b", 0.0, volume=0.0)) == ["b", "a"]


def test_cases_that_had_an_annotation_come_last():
    cases = [summary("a", 0.9), summary("b", 0.1), summary("c", 0.2), summary("d", 0.95)]
    places = order(*cases, annotated=("a", "d"))
    assert set(places[:2]) == {"b", "c"}
    assert places[2:] == ["d", "a"]


def test_rounds_of_older_programs_are_ranked_by_their_entropy():
    cases = [CaseSummary(name, {"liver": 1.0}, {"liver": 1.0}, {}, value, 0.0) for name, value in OLD.items()]
    assert order(*cases, round_number=9) == ["b", "c", "a"]


def test_a_thousand_cases_are_read_and_ranked(tmp_path):
    folder = JobFolder(tmp_path)
    for number in range(1000):
        write(folder.predictions, f"case-{number:04d}", expected_dice={"liver": 0.999 - 0.8 * number / 1000})
    result = ranked(list(read_summaries(folder)), round_number=9)
    assert len({item.case for item in result}) == 1000
    assert result[0].case > "case-0900" and result[-1].case < "case-0100"


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
