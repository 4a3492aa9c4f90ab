from __future__ import annotations

from SemiSupervisedSegLib.jobs.results import CaseSummary
from SemiSupervisedSegLib.panel.logic.quality import QualityFlag, quality_flags


def summaries(*volumes, flags=None):
    made = [CaseSummary(f"case-{n}", {"liver": volume}, {}, {}, 0.0, 0.0) for n, volume in enumerate(volumes)]
    if flags is not None:
        made[0].flags.update(flags)
    return made


def test_a_volume_far_from_the_others_is_flagged_with_its_direction():
    found = quality_flags(summaries(1500.0, 1400.0, 1600.0, 1550.0, 1450.0, 150.0, 9000.0))
    assert found["case-5"] == (QualityFlag("liver", "small"),)
    assert found["case-6"] == (QualityFlag("liver", "large"),)
    assert not any(found[f"case-{number}"] for number in range(5))


def test_volumes_that_vary_much_are_all_usual():
    assert not any(quality_flags(summaries(1.0, 3.0, 10.0, 30.0, 100.0, 300.0)).values())


def test_equal_volumes_make_no_small_difference_unusual():
    assert not any(quality_flags(summaries(100.0, 100.0, 100.0, 100.0, 100.0, 130.0)).values())


def test_of_few_cases_none_is_unusual_and_missing_structures_do_not_count():
    assert not any(quality_flags(summaries(100.0, 100.0, 100.0, 1.0)).values())
    found = quality_flags(summaries(0.0, 0.0, 0.0, 0.0, 0.0, 100.0, 110.0))
    assert not any(found.values())


def test_what_the_worker_found_is_among_the_flags():
    found = quality_flags(summaries(1.0, flags={"liver": ("several_pieces", "touches_border")}))
    assert found == {"case-0": (QualityFlag("liver", "several_pieces"), QualityFlag("liver", "touches_border"))}


def test_what_half_of_the_results_have_is_usual_but_for_empty_ones():
    made = summaries(*[1.0] * 6)
    for number, summary in enumerate(made):
        kinds = ("touches_border", "empty") if number < 3 else ("several_pieces",) if number == 3 else ()
        summary.flags.update({"liver": kinds})
    found = quality_flags(made)
    assert found["case-0"] == (QualityFlag("liver", "empty"),)
    assert found["case-3"] == (QualityFlag("liver", "several_pieces"),)
    few = quality_flags(made[:3])
    assert QualityFlag("liver", "touches_border") in few["case-0"], "of few results nothing is known to be usual"
