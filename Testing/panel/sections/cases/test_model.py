from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qt

from SemiSupervisedSegLib.panel.logic.case_rows import CaseFiles, look_at_files
from SemiSupervisedSegLib.panel.sections.cases.model import CasesModel
from SemiSupervisedSegLib.study.model import Role

from ...studies import make_long_study, make_round, make_study


@pytest.fixture
def model(slicer_app: Any, tmp_path: Path) -> CasesModel:
    study = make_study(tmp_path / "study", cases=5, annotated=2)
    files = {
        "case01": CaseFiles(uncertainty=0.5),
        "case02": CaseFiles(image_missing=True),
        "case03": CaseFiles(uncertainty=0.25, verdict="accepted"),
        "case00": CaseFiles(),
    }
    made = CasesModel()
    made.setCases(study, files)
    return made


def column(model: CasesModel, number: int) -> list[str]:
    return [model.data(model.index(row, number)) for row in range(model.rowCount())]


def test_every_column_says_its_part(model):
    assert column(model, 0) == ["case00", "case01", "case02", "case03", "case04"]
    assert column(model, 1) == ["Home", "Away", "Home", "Away", "Home"]
    assert column(model, 2) == ["labeled", "labeled", "unlabeled", "unlabeled", "unlabeled"]
    assert column(model, 3) == ["yes", "yes", "–", "–", "–"]
    assert column(model, 4) == ["–", "50 %", "–", "25 %", "–"]
    assert column(model, 5) == ["ok", "result", "missing", "accepted", "…"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "case01 case03 case00 case02 case04"), (4, "case00 case02 case04 case03 case01"), (5, None)],
)
def test_columns_sort_in_both_directions(model, number, expected):
    model.sort(number, qt.Qt.AscendingOrder)
    upwards = column(model, 0)
    model.sort(number, qt.Qt.DescendingOrder)
    assert column(model, 0) == upwards[::-1]
    assert upwards == expected.split() if expected else upwards[0] == "case02"


def test_words_and_role_filter_together(model):
    model.setFilter("away RESU", None)
    assert column(model, 0) == ["case01"]
    model.setFilter("case0", Role.UNLABELED)
    assert column(model, 0) == ["case02", "case03", "case04"]
    assert (model.rowOf("case03"), model.rowOf("case01"), model.total()) == (1, -1, 5)


def test_headers_and_tool_tips_have_whole_words(model):
    titles = [model.headerData(number, qt.Qt.Horizontal).replace("-\n", "") for number in range(6)]
    assert titles == ["Image", "Site", "Role", "Annotation", "Uncertainty", "Status"]
    assert "learns" in model.data(model.index(0, 2), qt.Qt.ToolTipRole)
    assert model.data(model.index(0, 3), qt.Qt.ToolTipRole) == "annotations/case00.seg.nrrd"
    assert "images/case02.nrrd is not there" in model.data(model.index(2, 5), qt.Qt.ToolTipRole)


def test_files_of_cases_are_looked_at(tmp_path):
    study = make_study(tmp_path / "study", cases=3, annotated=2)
    folder = make_round(study, uncertainties={"case01": 0.4})
    (tmp_path / "study" / "images" / "case02.nrrd").unlink()
    (tmp_path / "study" / "annotations" / "case00.seg.nrrd").unlink()
    (folder.path / "review.json").write_text("damaged")
    assert dict(look_at_files(study, folder)) == {
        "case00": CaseFiles(annotation_missing=True),
        "case01": CaseFiles(uncertainty=0.4),
        "case02": CaseFiles(image_missing=True),
    }
    (folder.predictions / "case01" / "summary.json").write_text('{"mean_uncertainty": null}')
    assert dict(look_at_files(study, folder))["case01"].uncertainty is None


def test_a_thousand_rows_filter_and_sort(slicer_app, tmp_path):
    model = CasesModel()
    model.setCases(make_long_study(tmp_path / "study"), {})
    for number in range(6):
        model.sort(number, qt.Qt.DescendingOrder)
        model.setFilter(f"patient0{number}", None)
        assert model.rowCount() == 100
        model.setFilter("", None)
    assert model.rowCount() == 1000
