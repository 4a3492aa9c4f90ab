from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import qt
import SimpleITK as sitk

from SemiSupervisedSegLib.panel.logic.decisions import read_decisions
from SemiSupervisedSegLib.panel.logic.round_numbers import RoundNumbers
from SemiSupervisedSegLib.panel.sections.review.section import ReviewSection
from SemiSupervisedSegLib.study.model import Structure

from ...panel_parts import load, makeContext
from ...studies import make_round
from ..desk import FIRST, SECOND, VALIDATION, prediction, voxels
from .deciding import accept, choose_kind, paint


def cells(review, row=0):
    model = review._rounds.model
    return [model.data(model.index(row, column)) for column in range(model.columnCount())]


@pytest.fixture
def rounds(review, spin):
    """Returns the cells of the table when they are up to date."""

    def read(row=0):
        spin(lambda: review._rounds._reading is None)
        return cells(review, row)

    return read


def test_a_round_has_the_dice_of_its_validation_images_and_nothing_accepted_yet(review, desk, rounds):
    with open(desk.round.metrics, encoding="utf-8", newline="") as file:
        scores = [row for row in csv.DictReader(file) if row["kind"] == "final"]
    assert {row["case"] for row in scores} == {VALIDATION}
    names = [structure.name for structure in desk.study.structures]
    dice = {row["structure"]: f"{float(row['dice']):.2f}" for row in scores if row["empty_annotation"] == "False"}
    assert rounds() == ["001-supervised", *(dice[name] for name in names), "0", "–"]


def test_without_a_study_there_are_titles_and_no_rows(services, slicer_app):
    section = ReviewSection(load("Review"), makeContext(services))
    section._rounds._columns.fit()
    model = section._rounds.model
    titles = [model.headerData(column, qt.Qt.Horizontal) for column in range(model.columnCount())]
    assert titles == ["Round", "Accepted", "Edited\nmL"]
    assert model.rowCount() == 0
    section.cleanup()


def test_scores_of_labeled_images_are_not_taken_for_validation(review, desk, rounds):
    content = desk.round.metrics.read_text().replace(VALIDATION, "case-001")
    desk.round.metrics.write_text(content)
    review._rounds.refresh()
    assert rounds() == ["001-supervised", "0", "–"]


def test_accepting_correcting_and_undo_are_counted_at_once(review, desk, rounds):
    accept(review, desk, FIRST)
    assert rounds()[-2:] == ["1", "0"]
    desk.session.show(SECOND)
    choose_kind(review, "final")
    review.ui.correctButton.click()
    # What was offered counts, not what would be offered now.
    choose_kind(review, "prototype")
    painted = paint(desk, desk.editing.editor.node)
    review.ui.acceptButton.click()
    image = sitk.ReadImage(str(desk.study.image_path(desk.case(SECOND))))
    changed = np.count_nonzero(painted != voxels(prediction(desk, SECOND, "final")))
    expected = changed * math.prod(image.GetSpacing()) / 1000
    assert read_decisions(desk.round)[SECOND].corrected_ml == pytest.approx(expected)
    assert rounds()[-2] == "2"
    assert float(rounds()[-1]) == pytest.approx(expected, rel=0.01)
    desk.session.show(SECOND)
    review.ui.undoButton.click()
    assert rounds()[-2:] == ["1", "0"]


def test_another_round_gets_a_row_and_one_that_applied_a_model_has_words(review, desk, rounds):
    made = make_round(desk.study, "002-predict", {FIRST: 0.2})
    desk.session.refresh_rounds()
    numbers = rounds(1)
    assert numbers[0] == "002 (model applied)"
    assert set(numbers[1:-2]) == {"–"}
    (made.path / "review.json").write_text('{"a": {"verdict": "accepted"}, "b": {"verdict": "rejected"}}')
    review._rounds.refresh()
    assert rounds(1)[-2:] == ["1", "–"]


def test_damaged_files_leave_the_table_with_what_is_known(review, desk, rounds):
    desk.round.metrics.write_text("no scores")
    (desk.round.path / "review.json").write_text("{")
    review._rounds.refresh()
    assert rounds() == ["001-supervised", "0", "–"]


@pytest.fixture
def shown(review, rounds, slicer_app):
    """Returns the titles of the columns in view, all of which fit, at a width of the panel."""
    rounds()
    review._widget.show()
    review.ui.roundsButton.setProperty("collapsed", False)

    def at(width):
        review._widget.resize(width, 900)
        slicer_app.processEvents()
        table, model = review.ui.roundsTable, review._rounds.model
        assert table.horizontalHeader().length() <= table.viewport().width
        columns = (column for column in range(model.columnCount()) if not table.isColumnHidden(column))
        return [model.headerData(column, qt.Qt.Horizontal) for column in columns]

    return at


def test_the_columns_fit_into_the_panel(shown):
    assert shown(333) == shown(560) == ["Round", "chamber", "wall", "Accepted", "Edited\nmL"]


def test_of_many_structures_a_narrow_panel_shows_the_first_ones_and_the_tool_tip_all(review, shown):
    names = [f"structure {number}" for number in range(6)]
    structures = [Structure(name, number, (9, 9, 9)) for number, name in enumerate(names, 1)]
    review._rounds._showRows([RoundNumbers("001-cu2l", dict.fromkeys(names, 0.5), 2, 1.25)], structures)
    narrow, wide = shown(333), shown(900)
    assert wide == ["Round", *(name.replace(" ", "\n") for name in names), "Accepted", "Edited\nmL"]
    assert narrow[:2] == wide[:2]
    assert narrow[-2:] == wide[-2:]
    assert len(narrow) < len(wide)
    model = review._rounds.model
    lines = model.data(model.index(0, 0), qt.Qt.ToolTipRole).splitlines()
    assert lines[0] == "Round: 001-cu2l"
    assert lines[6:] == ["structure 5: 0.50", "Accepted: 2", "Edited mL: 1.25"]
