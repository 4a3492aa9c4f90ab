from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from SemiSupervisedSegLib.engine.evaluation import comparison_scores
from SemiSupervisedSegLib.engine.evaluation.compare import mean_interval
from SemiSupervisedSegLib.engine.evaluation.comparison_scores import make_table
from SemiSupervisedSegLib.jobs.comparison import Comparison, ComparisonSpec, Training
from SemiSupervisedSegLib.jobs.comparison_table import ComparisonTable, MethodScores, cells, remark, titles
from SemiSupervisedSegLib.jobs.events import Finished, Started
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics, write_metrics
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.study.errors import UserError

CASES = ("a", "b", "c", "d", "e", "f")
FOLDS = (("a", "b", "c"), ("d", "e", "f"))
DICE = {
    "supervised": dict(zip(CASES, (0.5, 0.6, 0.7, 0.55, 0.65, 0.75), strict=True)),
    "mean_teacher": dict(zip(CASES, (0.6, 0.71, 0.82, 0.68, 0.79, 0.9), strict=True)),
    "cps": dict(zip(CASES, (0.61, 0.7, 0.83, 0.67, 0.78, 0.9), strict=True)),
}


def score(case: str, structure: str, dice: float, is_shown: bool = True, kind: str = "final") -> StructureScore:
    numbers = dict.fromkeys(("jaccard", "hd95_mm", "hd95_voxel", "asd_mm", "asd_voxel"), 1.0)
    rest = {"asd_one_directional_voxel": 1.0, "volume_ml": 1.0, "annotation_volume_ml": 1.0}
    flags = {"empty_prediction": False, "empty_annotation": not is_shown}
    return StructureScore(case, structure, kind, dice, **numbers, **rest, **flags)


def finish(training: Training, shift: float = 0.0) -> None:
    """Leave what a worker leaves that has held out the cases of a fold, and took ten seconds."""
    folder, scores = training.folder, []
    for case in FOLDS[training.fold]:
        dice = DICE[training.method][case] + shift
        # The annotations of the first fold do not show the wall, those of the second do.
        wall_dice = 1.0 if training.fold == 0 else dice + 0.02
        scores += [score(case, "chamber", dice), score(case, "wall", wall_dice, is_shown=training.fold == 1)]
        scores.append(score(case, "chamber", 0.0, kind="prototype"))
    folder.append_event(Started("x", 1, time=100.0))
    folder.append_event(Finished(time=110.0))
    write_metrics(folder.metrics, scores)
    folder.write_result({})


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    made = Comparison(tmp_path / "001-compare")
    made.path.mkdir()
    made.write_request(ComparisonSpec(tuple(DICE), "quick", {}, "cpu", (0, 1), FOLDS))
    return made


def expected_dice(method: str) -> dict[str, float]:
    """By the rule in words: mean over structures that some annotation shows, then over the seeds 0 and +0.1."""
    values = {}
    for case, dice in DICE[method].items():
        of_wall = 1.0 if case in FOLDS[0] else dice + 0.02
        shift = 0.05 * (0.5 if case in FOLDS[0] else 1.0)
        values[case] = (dice + of_wall) / 2 + shift
    return values


def test_the_table_of_a_finished_comparison(comparison: Comparison) -> None:
    for training in comparison.trainings():
        finish(training, shift=0.1 * training.seed)
    table = make_table(comparison)
    assert table.best == "mean_teacher"
    rows = {row.method: row for row in table.methods}
    assert list(rows) == list(DICE)
    best = expected_dice("mean_teacher")
    for method, row in rows.items():
        values = expected_dice(method)
        assert (row.finished, row.trainings, row.cases, row.seconds) == (4, 4, 6, pytest.approx(10.0))
        assert row.mean_dice == pytest.approx(np.mean(list(values.values())), abs=1e-5)
        interval = stats.t.interval(0.95, 5, np.mean(list(values.values())), stats.sem(list(values.values())))
        assert (row.low, row.high) == pytest.approx(interval, abs=1e-5)
        if method != "mean_teacher":
            differences = [values[case] - best[case] for case in CASES]
            assert row.difference == pytest.approx(np.mean(differences), abs=1e-5)
            assert row.difference_low <= row.difference <= row.difference_high
    assert rows["supervised"].p_value == pytest.approx(2 / 2**6)
    assert rows["cps"].p_value > 0.05
    assert rows["mean_teacher"].difference is None
    assert "Chance can explain its lead over Two networks that teach each other (CPS)." in remark(table)
    assert "Supervised" not in remark(table)
    assert cells(rows["mean_teacher"], table)[3] == "best"
    comparison.write_table(table)
    assert comparison.table() == table


def test_the_table_fills_and_names_what_failed(comparison: Comparison) -> None:
    empty = make_table(comparison)
    assert [(row.finished, row.mean_dice) for row in empty.methods] == [(0, None)] * 3
    assert not empty.best
    assert not remark(empty)
    by_method: dict[str, list[Training]] = {}
    for training in comparison.trainings():
        by_method.setdefault(training.method, []).append(training)
    for training in [*by_method["supervised"], *by_method["mean_teacher"][:1]]:
        finish(training)
    by_method["mean_teacher"][1].folder.write_status("failed", message="Too big. Lower it.")
    table = make_table(comparison)
    assert not table.best
    assert table.methods[1].cases == 3
    assert table.methods[1].problem == "Too big. Lower it."
    assert table.methods[1].missing == ("fold 2 of 2, seed 0",)
    for training in by_method["cps"]:
        finish(training)
    table = make_table(comparison)
    # Two of its trainings are still to come: it is neither the best nor tested.
    assert table.best == "cps"
    assert table.methods[1].p_value is None
    assert table.methods[0].p_value is not None
    assert remark(table).endswith(
        "Missing, because they failed: Mean Teacher (fold 2 of 2, seed 0). Too big. Lower it."
    )


def test_a_method_whose_training_failed_is_tested_on_the_cases_that_it_has(comparison: Comparison) -> None:
    for training in comparison.trainings():
        if training.method == "cps" and training.fold == 1:
            training.folder.write_status("failed", message="Too big. Lower it.")
        else:
            # With its first fold alone it would be the best.
            finish(training, shift=0.3 if training.method == "cps" else 0.0)
    table = make_table(comparison)
    row = table.methods[2]
    assert table.best == "mean_teacher"
    assert row.missing == ("fold 2 of 2, seed 0", "fold 2 of 2, seed 1")
    assert (row.finished, row.trainings, row.cases) == (2, 4, 3)
    assert row.mean_dice > table.methods[1].mean_dice
    # The wall, which the annotations of these cases do not show, is scored in the other fold only.
    own = {case: dice + 0.3 for case, dice in DICE["cps"].items() if case in FOLDS[0]}
    best = {case: (dice + 1) / 2 for case, dice in DICE["mean_teacher"].items()}
    differences = [own[case] - best[case] for case in own]
    assert row.difference == pytest.approx(np.mean(differences), abs=1e-5)
    assert row.p_value == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_the_methods_are_tested_against_a_chosen_one(comparison: Comparison) -> None:
    for training in comparison.trainings():
        finish(training)
    table = make_table(comparison, reference="supervised")
    assert (table.best, table.reference) == ("mean_teacher", "supervised")
    assert [row.difference is None for row in table.methods] == [True, False, False]
    values, reference = ([expected_dice(name)[case] for case in CASES] for name in ("cps", "supervised"))
    assert table.methods[2].p_value == pytest.approx(stats.wilcoxon(values, reference).pvalue)
    assert table.methods[2].difference == pytest.approx(np.mean(np.subtract(values, reference)), abs=1e-5)
    assert titles(table)[3] == "To Supervised [95 % interval]"
    assert cells(table.methods[0], table)[3] == "reference"
    with pytest.raises(UserError, match="ua_mt is not compared"):
        make_table(comparison, reference="ua_mt")


def test_each_number_of_labels_has_rows_tests_and_a_best_of_its_own(tmp_path: Path) -> None:
    comparison = Comparison(tmp_path / "002-compare")
    comparison.path.mkdir()
    comparison.write_request(ComparisonSpec(tuple(DICE), "quick", {}, "cpu", (0,), FOLDS, label_counts=(1, 2)))
    for training in comparison.trainings():
        # With one label the method that is the worst with two is the best.
        finish(training, shift=0.2 if (training.method, training.labels) == ("supervised", 1) else 0.0)
    table = make_table(comparison)
    assert table.best == "mean_teacher"
    assert [(row.method, row.labels, row.is_best) for row in table.methods if row.is_best] == [
        ("supervised", 1, True),
        ("mean_teacher", 2, True),
    ]
    assert [row.difference is None for row in table.methods] == [row.is_best for row in table.methods]
    assert cells(table.methods[0], table)[0] == "Supervised, 1 labeled"
    assert remark(table).startswith("Mean Teacher, 2 labeled has the highest mean Dice.")


def test_a_finished_training_is_read_once(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = comparison.trainings()
    for training in trainings[:2]:
        finish(training)
    first = make_table(comparison)
    assert first.methods[0].finished == 2
    read = []
    monkeypatch.setattr(comparison_scores, "read_metrics", lambda path: read.append(path) or read_metrics(path))
    assert make_table(comparison) == first
    finish(trainings[2])
    assert make_table(comparison).methods[0].finished == 3
    assert read == [trainings[2].folder.metrics]


def test_the_interval_of_a_mean_ends_where_dice_does() -> None:
    assert mean_interval([0.7], 0.0, 1.0) is None
    assert mean_interval([0.9, 1.0], 0.0, 1.0)[1] == 1.0
    values = [0.5, 0.55, 0.6, 0.62]
    assert mean_interval(values, 0.0, 1.0) == pytest.approx(
        stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    )
    assert not math.isnan(mean_interval([0.5, 0.5], 0.0, 1.0)[0])


def test_few_images_are_said_to_show_no_difference(comparison: Comparison) -> None:
    few = [MethodScores("supervised", 4, 4, 4, 0.5), MethodScores("cps", 4, 4, 4, 0.9, p_value=0.125)]
    assert "With 4 images the test cannot show a difference: its smallest p is 0.12." in remark(
        ComparisonTable(tuple(few), "supervised")
    )


def test_the_table_is_made_without_pytorch() -> None:
    code = (
        "import sys; import SemiSupervisedSegLib.engine.worker.compare_job\n"
        "print([name for name in ('torch', 'monai') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
