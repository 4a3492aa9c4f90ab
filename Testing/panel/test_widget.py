from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import qt
import slicer

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.comparison import Comparison
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.needs import missing_in_study
from SemiSupervisedSegLib.panel.logic.annotation_files import with_annotation
from SemiSupervisedSegLib.panel.logic.state import Run
from SemiSupervisedSegLib.panel.scene.segments import segmentationFingerprint
from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import save_study

from .drawing import paint, volumes
from .studies import make_long_study, make_round, make_study, write_annotation

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"


def test_all_sections_are_there_in_the_order_of_the_work(makePanel):
    panel = makePanel()
    titles = [fold.text for fold in panel.folds.values()]
    assert titles == ["Study", "Cases", "Train", "Review", "Export", "Disk"]
    layout = panel.ui.sectionsContainer.layout()
    assert [layout.itemAt(index).widget() for index in range(6)] == list(panel.folds.values())


@pytest.mark.parametrize(("job", "unfolded"), [(Comparison, "Train"), (JobFolder, "Review")])
def test_the_end_of_a_comparison_leaves_its_table_in_view(panel, job, unfolded):
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    panel.runner.folder = job(panel.session.folder / "jobs" / "001")
    panel.session.set_facts(run=Run("001"))
    assert not panel.folds["Train"].collapsed
    panel.session.set_facts(run=None)
    assert [name for name, fold in panel.folds.items() if not fold.collapsed] == [unfolded]


def test_names_are_no_markup(makePanel, tmp_path):
    """Qt takes a text with a tag for HTML wherever it is not told otherwise."""
    panel, name = makePanel(), "<b>T1</b> & <i>x</i>"
    study = make_study(tmp_path / "study")
    study = dataclasses.replace(study, name=name, cases=(dataclasses.replace(study.cases[0], name=name),))
    save_study(study)
    panel.session.open_study(study.folder)
    assert name in panel.ui.summaryLabel.text
    parts = [panel.ui, *(section.ui for section in panel.sections.values())]
    labels = [part for ui in parts for part in vars(ui).values() if isinstance(part, qt.QLabel)]
    assert len(labels) > 30 and all(label.textFormat == qt.Qt.PlainText for label in labels)
    model = panel.sections["Cases"].model
    shown = qt.QTextDocument()
    shown.setHtml(model.data(model.index(0, 0), qt.Qt.ToolTipRole))
    assert shown.toPlainText() == f"{name}\n{study.cases[0].id}: {study.cases[0].image}"


def test_the_section_of_the_present_step_is_open(makePanel, tmp_path):
    panel = makePanel()

    def unfolded() -> list[str]:
        return [name for name, fold in panel.folds.items() if not fold.collapsed]

    assert unfolded() == ["Study"]
    study = make_study(tmp_path / "study", annotated=0)
    panel.session.open_study(study.folder)
    assert unfolded() == ["Cases"]
    annotation = write_annotation(study.folder / "annotations" / "case00.seg.nrrd")
    panel.session.edit_study(lambda study: with_annotation(study, "case00", annotation))
    assert unfolded() == ["Cases", "Train"]
    make_round(study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    assert unfolded() == ["Cases", "Review"]


def test_the_header_says_what_to_do_next(makePanel, tmp_path):
    panel = makePanel()
    assert panel.ui.guidanceLabel.text == "Open or create a study."
    study = make_study(tmp_path / "study", cases=3, annotated=1)
    panel.session.open_study(study.folder)
    assert panel.ui.summaryLabel.text == "Livers: 1 labeled, 2 unlabeled"
    make_round(study, "001-cu2l")
    panel.session.refresh_rounds()
    assert "001-cu2l is ready" in panel.ui.guidanceLabel.text


def test_nothing_is_wider_than_the_narrowest_panel(panel):
    for name, fold in panel.folds.items():
        fold.setProperty("collapsed", False)
        assert fold.layout().minimumSize().width() <= 346, name


def test_every_disabled_button_says_why(panel):
    for name, fold in panel.folds.items():
        for button in fold.findChildren(qt.QPushButton):
            assert button.enabled or button.toolTip, f"{name}: {button.text}"


def test_showing_a_case_loads_it_and_leaving_it_removes_it(panel):
    panel.session.show("case01")
    assert volumes() == ["case01"]
    panel.session.show("case02")
    assert volumes() == ["case02"]
    panel.session.close_study()
    assert volumes() == []


def test_a_case_that_cannot_be_shown_is_said(panel, dialogs):
    (panel.session.folder / "images" / "case03.nrrd").unlink()
    panel.session.show("case03")
    assert "case03.nrrd" in dialogs.messages[0]
    panel.session.show("case01")
    assert volumes() == ["case01"]


def test_review_leads_to_the_next_round(panel, spin):
    folder = make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    folder.model.mkdir()
    panel.session.refresh_rounds()
    panel.folds["Train"].setProperty("collapsed", True)
    assert panel.sections["Train"].form.start.model is None
    panel.sections["Review"].trainWanted.emit()
    assert not panel.folds["Train"].collapsed
    assert panel.sections["Train"].form.start.model.parent.name == "001-cu2l"


def test_the_loop_goes_on_when_the_last_unlabeled_image_was_accepted(panel):
    unlabeled = [case.id for case in panel.session.study.cases if case.role is Role.UNLABELED]
    folder = make_round(panel.session.study, "001-mean_teacher", dict.fromkeys(unlabeled, 0.2))
    folder.model.mkdir()
    panel.session.refresh_rounds()
    for name in unlabeled:
        file = write_annotation(panel.session.folder / "annotations" / f"{name}.seg.nrrd")
        panel.session.edit_study(lambda study, name=name, file=file: with_annotation(study, name, file))
    button = panel.sections["Review"].ui.nextRoundButton
    assert button.enabled
    button.click()
    form = panel.sections["Train"].form
    assert missing_in_study(panel.session.study, load_catalogue().method(form.method)) is None
    assert form.start.model == folder.model


def test_a_high_segment_editor_leaves_its_buttons_in_view(panel):
    """Slicer's scroll area makes the panel as high as it would like to be, and the buttons are at its end."""
    cases = panel.sections["Cases"]
    cases.table.select(["case00"])
    cases.ui.annotateButton.click()
    panel.ui.editorContainer.setMinimumHeight(600)
    slicer.app.processEvents()
    pane = panel.ui.editingPane
    assert pane.sizeHint.height() <= pane.minimumSizeHint.height() < 400


def test_strokes_can_be_undone_while_correcting_after_something_was_annotated(panel):
    cases, review = panel.sections["Cases"], panel.sections["Review"]
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    cases.table.select(["case00"])
    cases.ui.annotateButton.click()
    panel.ui.discardEditButton.click()
    panel.session.show("case02")
    review.decisionButtons.correct()
    editor = panel.ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)[0]
    node = panel.editing.editor.node
    before = segmentationFingerprint(node)
    editor.saveStateForUndo()
    paint(panel)
    assert segmentationFingerprint(node) != before
    editor.undo()
    assert segmentationFingerprint(node) == before
    assert len(panel.widget.findChildren(slicer.qMRMLSegmentEditorWidget)) == 1


@pytest.mark.parametrize("name", ["Train", "Review"])
def test_a_section_that_another_leads_to_comes_into_view(panel, spin, name):
    panel.widget.resize(360, 500)
    panel.widget.show()
    for fold in panel.folds.values():
        fold.setProperty("collapsed", fold is panel.folds[name])
    panel.ui.scrollArea.verticalScrollBar().setValue(0)
    lead = panel.sections["Review"].trainWanted if name == "Train" else panel.sections["Export"].reviewWanted
    lead.emit()
    top = qt.QPoint(0, 0)
    spin(lambda: panel.folds[name].mapTo(panel.ui.scrollArea.viewport(), top).y() == 0)
    assert not panel.folds[name].collapsed


def test_a_way_that_was_not_finished_ends_with_the_panel(scene, services, spin):
    panel, passed = Panel(UI, scene, services), []
    panel.sections["Export"].reviewWanted.emit()
    panel.cleanup()
    panel.widget.delete()
    qt.QTimer.singleShot(0, lambda: passed.append(True))
    spin(lambda: passed)


def test_the_header_names_drawings_that_wait_unsaved(panel, dialogs):
    label, cases = panel.ui.waitingLabel, panel.sections["Cases"]
    folder = panel.session.folder
    assert label.isHidden()
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    paint(panel)
    assert label.isHidden()
    panel.session.show("case01")
    assert not label.isHidden()
    assert "case02" in label.text
    panel.session.close_study()
    assert str(folder) in label.text
    panel.session.open_study(folder)
    cases.table.select(["case02"])
    dialogs.answer("confirm", True)
    cases.ui.removeButton.click()
    assert "case02" in label.text
    assert "not in the study any more" in label.text


def test_what_waits_unsaved_is_saved_after_it_was_annotated_again(panel):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    paint(panel)
    panel.session.show(None)
    assert "case02" in panel.ui.waitingLabel.text
    cases.ui.annotateButton.click()
    panel.ui.saveEditButton.click()
    assert panel.ui.waitingLabel.isHidden()
    panel.session.show("case01")
    assert panel.ui.waitingLabel.isHidden()


def test_results_of_another_round_come_with_the_round(panel):
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.show("case02")
    assert panel.scene.nodes.final is None
    panel.session.refresh_rounds()
    assert panel.scene.nodes.final is not None
    assert panel.scene.nodes.prototype is not None


def test_changes_of_the_case_do_not_disturb_its_annotation(panel):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    node = panel.editing.editor.node
    cases.ui.siteBox.setEditText("Third")
    cases.ui.setSiteButton.click()
    make_round(panel.session.study, "001-cu2l", {"case02": 0.2})
    panel.session.refresh_rounds()
    assert panel.scene.nodes.annotation is node
    assert panel.scene.nodes.final is None
    panel.ui.discardEditButton.click()
    assert panel.scene.nodes.final is not None


def test_the_study_may_be_closed_while_something_is_edited(panel, dialogs):
    cases = panel.sections["Cases"]
    cases.table.select(["case02"])
    cases.ui.annotateButton.click()
    panel.sections["Study"].ui.closeButton.click()
    assert panel.editing.editor.node is None
    assert not panel.session.facts().editing


def test_with_a_thousand_cases_the_panel_answers(makePanel, tmp_path, spin):
    panel = makePanel()
    panel.session.open_study(make_long_study(tmp_path / "study").folder)
    cases = panel.sections["Cases"]
    spin(lambda: cases.model.data(cases.model.index(999, 5)) == "missing", timeout=30)
    for count in (1, 2, 3, 4, 5):
        cases.table.select([f"patient{number:04d}" for number in range(count)])
        assert len(cases.table.selected()) == count
    panel.session.state_changed.emit()
    assert len(cases.table.selected()) == 5


def test_leaving_the_module_gives_the_layout_back(panel):
    """Slicer leaves the module when it is closed, and then keeps the layout for its next start."""
    layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
    layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    button = panel.sections["Train"].ui.curvesButton
    button.setChecked(True)
    assert layout.GetViewArrangement() != slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    panel.exit()
    assert layout.GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert not button.checked


def test_the_editor_is_made_once_an_image_is_shown_and_before_it_is_needed(panel, spin):
    container = panel.ui.editorContainer
    assert container.layout().count() == 0
    panel.session.show("case01")
    spin(lambda: container.layout().count() == 1)
    panel.sections["Cases"].annotationEditor.start("case01")
    assert container.layout().count() == 1
