from __future__ import annotations

import shutil
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.panel.logic.applying import new_prediction_round
from SemiSupervisedSegLib.panel.sections.export import ExportSection
from SemiSupervisedSegLib.study.adding import add_cases, new_case
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image, same_grid
from SemiSupervisedSegLib.study.model import Role

from .reviewing import Desk, finished_study

ROUND = "001-supervised"


@pytest.fixture
def desk(tmp_path_factory, tmp_path: Path, scene: Any, services: Any) -> Iterator[Desk]:
    made = Desk(finished_study(tmp_path_factory), tmp_path / "study", services)
    yield made
    made.close()


@pytest.fixture
def export(desk: Desk, packaging: Any) -> ExportSection:
    return desk.section(ExportSection, "Export")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def choose(box: Any, value: str) -> None:
    index = box.findData(value)
    assert index >= 0
    box.setCurrentIndex(index)


def run_export(export: ExportSection, desk: Desk, out: Path, spin: Callable[..., None]) -> list[str]:
    desk.dialogs.answer("chooseFolder", str(out))
    export.ui.exportButton.click()
    spin(lambda: export._export is None)
    return sorted(path.name for path in out.iterdir())


def items(box: Any) -> list[str]:
    return [box.itemText(index) for index in range(box.count)]


def test_without_a_study_every_button_says_why(export, desk):
    desk.session.close_study()
    ui = export.ui
    for button in (ui.exportButton, ui.modelZipButton, ui.openReportButton, ui.applyCasesButton, ui.applyFilesButton):
        assert not button.enabled
        assert "study" in button.toolTip


def test_annotations_and_rounds_are_offered(export):
    assert items(export.ui.whatBox) == ["Annotations and accepted results", f"Results of {ROUND}"]
    assert items(export.ui.exportRoundBox) == [ROUND]
    assert items(export.ui.applyModelBox) == [ROUND]


@pytest.mark.parametrize("suffix", ["seg.nrrd", "nii.gz", "nrrd"])
def test_annotations_that_were_exported_come_back_the_same(export, desk, out, spin, suffix):
    choose(export.ui.formatBox, suffix)
    names = run_export(export, desk, out, spin)
    table = [] if suffix == "seg.nrrd" else ["structures.ctbl"]
    assert names == [f"case-001.{suffix}", f"case-002.{suffix}", *table]
    assert str(out) in export.ui.exportMessage.text
    case = desk.case("case-001")
    image = read_image(desk.study.image_path(case))
    before, after = (
        read_annotation(path, desk.study.structures, image)
        for path in (desk.study.annotation_path(case), out / f"case-001.{suffix}")
    )
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    assert same_grid(sitk.ReadImage(str(out / f"case-001.{suffix}")), image)


@pytest.mark.parametrize("suffix", ["seg.nrrd", "nii.gz", "nrrd"])
def test_results_of_a_round_keep_their_voxels_and_grid(export, desk, out, spin, suffix):
    choose(export.ui.whatBox, ROUND)
    choose(export.ui.formatBox, suffix)
    assert len([name for name in run_export(export, desk, out, spin) if name.endswith(suffix)]) == 4
    for case in desk.study.cases:
        first = sitk.ReadImage(str(desk.round.predictions / case.id / "final.seg.nrrd"))
        second = sitk.ReadImage(str(out / f"{case.id}.{suffix}"))
        assert np.array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
        assert same_grid(first, second)


def test_the_shown_image_and_a_choice_of_images(export, desk, out, spin):
    choose(export.ui.whatBox, ROUND)
    choose(export.ui.whichBox, "shown")
    assert "Show a case" in export.ui.exportButton.toolTip
    desk.session.show("case-003")
    assert run_export(export, desk, out, spin) == ["case-003.seg.nrrd"]
    choose(export.ui.whichBox, "choose")
    desk.dialogs.answer("chooseItems", [0, 3])
    assert len(run_export(export, desk, out, spin)) == 3
    desk.dialogs.answer("chooseItems", [])
    export.ui.exportButton.click()
    assert export.ui.exportButton.enabled


def test_nothing_is_replaced_and_what_is_wrong_is_said(export, desk, out, spin):
    (out / "case-002.seg.nrrd").write_text("mine")
    assert run_export(export, desk, out, spin) == ["case-002.seg.nrrd"]
    assert (out / "case-002.seg.nrrd").read_text() == "mine"
    assert "exists already" in desk.dialogs.said[-1]
    assert export.ui.exportButton.enabled
    choose(export.ui.whichBox, "shown")
    desk.session.show("case-003")
    export.ui.exportButton.click()
    assert "no segmentation of case 'case-003'" in desk.dialogs.said[-1]


def test_an_export_can_be_cancelled(export, desk, out):
    desk.dialogs.answer("chooseFolder", str(out))
    export.ui.exportButton.click()
    assert not export.ui.exportButton.enabled
    export.ui.cancelExportButton.click()
    assert "Cancelled" in export.ui.exportMessage.text
    assert export.ui.exportButton.enabled


def test_dicom_seg_is_off_with_a_reason_without_images_from_dicom(export, desk, spin):
    spin(lambda: export._lookForDicom is None)
    row = export.ui.formatBox.findData("dcm")
    assert not export.ui.formatBox.model().item(row).isEnabled()
    choose(export.ui.formatBox, "dcm")
    assert not export.ui.exportButton.enabled
    assert "DICOM" in export.ui.exportButton.toolTip


def test_a_case_that_came_from_dicom_is_exported_as_dicom_seg(export, desk, out, spin, tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom", reason="DICOM SEG is written by highdicom")
    from .dicom_scan import write_scan

    case = desk.case("case-001")
    uids = write_scan(tmp_path / "scan", desk.study.image_path(case))
    image = read_image(desk.study.image_path(case))
    image.SetMetaData("DICOM.instanceUIDs", " ".join(uids))
    sitk.WriteImage(image, str(desk.study.image_path(case)))
    database = types.SimpleNamespace(fileForInstance=lambda uid: str(uids.get(uid, "")))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    # Whether an image came from DICOM does not change while it is in a study.
    desk.session.close_study()
    export._fromDicom.clear()
    desk.session.open_study(desk.folder)
    row = export.ui.formatBox.findData("dcm")
    spin(lambda: export.ui.formatBox.model().item(row).isEnabled())
    choose(export.ui.formatBox, "dcm")
    choose(export.ui.whichBox, "shown")
    desk.session.show("case-001")
    assert run_export(export, desk, out, spin) == ["case-001.dcm"]
    made = pydicom.dcmread(out / "case-001.dcm")
    annotated = sitk.GetArrayFromImage(read_annotation(desk.study.annotation_path(case), desk.study.structures, image))
    assert np.count_nonzero(made.pixel_array) == np.count_nonzero(annotated)
    desk.session.show("case-002")
    run_export(export, desk, out, spin)
    assert "did not come from DICOM" in desk.dialogs.said[-1]
    database.fileForInstance = lambda uid: ""
    desk.session.show("case-001")
    (out / "case-001.dcm").unlink()
    run_export(export, desk, out, spin)
    assert "DICOM database" in desk.dialogs.said[-1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_model_is_copied_as_a_folder_and_as_one_file(export, desk, out):
    desk.dialogs.answer("chooseFolder", str(out), str(out))
    export.ui.modelFolderButton.click()
    assert contents(out / f"{ROUND}-model") == contents(desk.round.model)
    export.ui.modelFolderButton.click()
    assert "exists already" in desk.dialogs.said[-1]
    desk.dialogs.answer("chooseSaveFile", str(out / "heart"))
    export.ui.modelZipButton.click()
    with zipfile.ZipFile(out / "heart.zip") as archive:
        archive.extractall(out / "unpacked")
    assert contents(out / "unpacked" / "heart") == contents(desk.round.model)


def test_the_report_is_opened_and_copied(export, desk, out):
    opened = []
    export.openUrl = lambda url: opened.append(url.toLocalFile()) or True
    export.ui.openReportButton.click()
    assert opened == [str(desk.round.report)]
    desk.dialogs.answer("chooseSaveFile", str(out / "report.html"))
    export.ui.copyReportButton.click()
    assert (out / "report.html").read_bytes() == desk.round.report.read_bytes()
    export.openUrl = lambda url: False
    export.ui.openReportButton.click()
    assert str(desk.round.report) in desk.dialogs.said[-1]
    desk.round.report.unlink()
    export.refresh()
    assert not export.ui.openReportButton.enabled
    assert "no report" in export.ui.copyReportButton.toolTip


def test_a_folder_without_a_model_is_refused_and_one_with_a_model_is_offered(export, desk, out):
    desk.dialogs.answer("chooseFolder", str(out))
    export.ui.chooseModelButton.click()
    assert "does not contain a trained model" in desk.dialogs.said[-1]
    shutil.copytree(desk.round.model, out / "theirs" / "model")
    desk.dialogs.answer("chooseFolder", str(out / "theirs"))
    export.ui.chooseModelButton.click()
    assert export.ui.applyModelBox.currentData == str(out / "theirs" / "model")
    desk.session.refresh_rounds()
    assert export.ui.applyModelBox.currentData == str(out / "theirs" / "model")


def test_a_model_is_applied_to_new_files_and_the_results_are_under_review(export, desk, out, spin):
    shutil.copy(desk.study.image_path(desk.case("case-003")), out / "newcomer.nrrd")
    known = str(desk.study.image_path(desk.case("case-004")))
    wanted = []
    export.reviewWanted.connect(lambda: wanted.append(desk.session.round.name))
    desk.dialogs.answer("chooseFiles", [str(out / "newcomer.nrrd"), known])
    desk.dialogs.answer("askText", "Elsewhere")
    export.ui.applyFilesButton.click()
    spin(lambda: desk.runner.running, 20)
    new = desk.case("newcomer")
    assert (new.role, new.site) == (Role.IGNORED, "Elsewhere")
    assert desk.runner.folder.name == "002-predict"
    spin(lambda: bool(wanted), 120)
    assert wanted == ["002-predict"]
    found = {path.name for path in desk.session.round.predictions.iterdir()}
    assert found == {"newcomer", "case-004"}
    # The same model on the same image finds the same.
    for first, second in (("newcomer", "case-003"), ("case-004", "case-004")):
        images = [
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder.predictions / case_id / "final.seg.nrrd")))
            for folder, case_id in ((desk.session.round, first), (desk.round, second))
        ]
        assert np.array_equal(*images)
    assert "Review" in export.ui.exportMessage.text
    assert items(export.ui.exportRoundBox) == [ROUND]


def test_a_model_is_asked_for_images_of_the_study(export, desk, monkeypatch):
    started = []
    monkeypatch.setattr(desk.runner, "start", started.append)
    desk.dialogs.answer("chooseItems", [], [1, 2])
    export.ui.applyCasesButton.click()
    assert not started
    export.ui.applyCasesButton.click()
    spec = started[0].spec()
    assert [case.id for case in spec.cases] == ["case-002", "case-003"]
    assert spec.kind == "predict"
    assert spec.model == str(desk.round.model)


def test_when_the_worker_does_not_start_no_round_is_left(export, desk, monkeypatch):
    def refuse(folder: Any) -> None:
        raise UserError("It does not start.")

    monkeypatch.setattr(desk.runner, "start", refuse)
    desk.dialogs.answer("chooseItems", [1])
    export.ui.applyCasesButton.click()
    assert desk.dialogs.said == ["It does not start."]
    assert [path.name for path in (desk.folder / "rounds").iterdir() if path.is_dir()] == [ROUND]


def test_a_bad_file_adds_nothing(export, desk, out, spin):
    (out / "bad.nrrd").write_text("no image")
    before = desk.study
    desk.dialogs.answer("chooseFiles", [str(out / "bad.nrrd")])
    desk.dialogs.answer("askText", "Elsewhere")
    export.ui.applyFilesButton.click()
    spin(lambda: bool(desk.dialogs.said))
    assert "bad" in desk.dialogs.said[0]
    assert desk.study == before
    assert export.ui.applyFilesButton.enabled


def test_a_round_needs_a_model_and_images(desk, tmp_path):
    desk.session.open_study(desk.folder)
    with pytest.raises(UserError, match="does not contain"):
        new_prediction_round(desk.study, ["case-001"], tmp_path)
    with pytest.raises(UserError, match="No image"):
        new_prediction_round(desk.study, [], desk.round.model)
    with pytest.raises(UserError, match="no case 'x'"):
        new_prediction_round(desk.study, ["x"], desk.round.model)
    assert [path.name for path in (desk.folder / "rounds").iterdir() if path.is_dir()] == [ROUND]


def test_exported_annotations_can_be_added_to_another_study(export, desk, out, spin):
    run_export(export, desk, out, spin)
    image = desk.study.image_path(desk.case("case-001"))
    shutil.copy(image, out / "again.nrrd")
    case = new_case(desk.study, out / "again.nrrd", site="x", role="labeled", annotation=out / "case-001.seg.nrrd")
    assert add_cases(desk.study, [case]).case("again").annotation == str(out / "case-001.seg.nrrd")
