from __future__ import annotations

import csv

import numpy as np
import pytest

from SemiSupervisedSegLib.engine.evaluation.metrics import score_case
from SemiSupervisedSegLib.jobs.metrics_file import case_means, measurable, read_metrics, write_metrics
from SemiSupervisedSegLib.study.errors import UserError


@pytest.fixture
def scores():
    random = np.random.default_rng(0)
    result = []
    for case in ("case, one", 'two "quoted"'):
        for kind in ("final", "prototype"):
            maps = random.integers(0, 3, (2, 3, 6, 6)).astype(np.uint8)
            result += score_case(case, kind, *maps, (3.0, 1.0, 1.0), ["Linke Niere ß", "b"])
    return result


def test_round_trip(tmp_path, scores):
    write_metrics(tmp_path / "metrics.csv", scores)
    read = read_metrics(tmp_path / "metrics.csv")
    assert [(s.case, s.structure, s.kind, s.empty_prediction) for s in read] == [
        (s.case, s.structure, s.kind, s.empty_prediction) for s in scores
    ]
    for ours, original in zip(read, scores, strict=True):
        assert ours.hd95_mm == pytest.approx(original.hd95_mm, rel=1e-5)
        assert ours.asd_one_directional_voxel == pytest.approx(original.asd_one_directional_voxel, rel=1e-5)


def test_one_row_for_each_case_structure_and_kind(tmp_path, scores):
    write_metrics(tmp_path / "metrics.csv", scores)
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["case"], row["structure"], row["kind"]) for row in rows}) == len(rows) == 8


def test_case_means_average_the_structures(scores):
    means = case_means([score for score in scores if score.kind == "final"], "dice")
    assert list(means) == ["case, one", 'two "quoted"']
    assert means["case, one"] == pytest.approx((scores[0].dice + scores[1].dice) / 2)


def test_a_structure_that_no_annotation_shows_has_no_score():
    prediction, annotation = np.zeros((2, 2, 6, 6), dtype=np.uint8)
    prediction[0, :3] = annotation[0, :4] = 1
    names = ["lung", "lesion"]
    scores = score_case("a", "final", prediction, annotation, (1.0, 1.0, 1.0), names)
    assert [score.dice for score in scores] == pytest.approx([6 / 7, 1.0])
    assert [score.structure for score in measurable(scores)] == ["lung"]
    annotation[1, 0, 0] = 2
    scores += score_case("b", "final", prediction, annotation, (1.0, 1.0, 1.0), names)
    assert measurable(scores) == scores


@pytest.mark.parametrize(
    "edit", [lambda t: t.replace("dice", "dize"), lambda t: t.replace("False", "maybe"), lambda t: t[:-30]]
)
def test_damage_is_explained(tmp_path, scores, edit):
    path = tmp_path / "metrics.csv"
    write_metrics(path, scores)
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        read_metrics(path)


def test_missing_metrics_are_explained(tmp_path):
    with pytest.raises(UserError, match="no metrics yet"):
        read_metrics(tmp_path / "metrics.csv")
