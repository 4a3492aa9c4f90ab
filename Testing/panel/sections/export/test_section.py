from __future__ import annotations

import shutil
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.panel.sections.export.section import ExportSection
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.store import create_study

from ..desk import Desk

ROUND = "001-supervised"


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


def test_a_round_that_has_ended_is_chosen_and_what_the_user_chose_stays_otherwise(export, desk):
    boxes = (export.ui.exportRoundBox, export.ui.applyModelBox)
    shutil.copytree(desk.round.path, desk.folder / "rounds" / "002-supervised")
    desk.session.refresh_rounds()
    assert [box.currentText for box in boxes] == ["002-supervised", "002-supervised"]
    for box in boxes:
        box.setCurrentIndex(box.findText(ROUND))
    desk.session.refresh_rounds()
    assert [box.currentText for box in boxes] == [ROUND, ROUND]


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
    assert "exists already" in desk.dialogs.messages[-1]
    assert export.ui.exportButton.enabled
    choose(export.ui.whichBox, "shown")
    desk.session.show("case-003")
    export.ui.exportButton.click()
    assert "no segmentation of case 'case-003'" in desk.dialogs.messages[-1]


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
    from Testing.study.dicom_scan import write_scan

    case = desk.case("case-001")
    uids = write_scan(tmp_path / "scan", desk.study.image_path(case))
    image = read_image(desk.study.image_path(case))
    image.SetMetaData("DICOM.instanceUIDs", " ".join(uids))
    sitk.WriteImage(image, str(desk.study.image_path(case)))
    database = types.SimpleNamespace(isOpen=True, fileForInstance=lambda uid: str(uids.get(uid, "")))
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
    choose(export.ui.whichBox, "all")
    (out / "case-001.dcm").unlink()
    assert run_export(export, desk, out, spin) == ["case-001.dcm"]
    assert export.ui.exportMessage.text.startswith(f"Exported 1 of 2 cases to {out}.")
    assert "case-002: The image did not come from DICOM" in export.ui.exportMessage.text
    choose(export.ui.whichBox, "shown")
    desk.session.show("case-002")
    run_export(export, desk, out, spin)
    assert "did not come from DICOM" in desk.dialogs.messages[-1]
    database.fileForInstance = lambda uid: ""
    desk.session.show("case-001")
    (out / "case-001.dcm").unlink()
    run_export(export, desk, out, spin)
    assert "DICOM database" in desk.dialogs.messages[-1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_model_is_copied_as_a_folder_and_as_one_file(export, desk, out):
    desk.dialogs.answer("chooseFolder", str(out), str(out))
    export.ui.modelFolderButton.click()
    assert contents(out / f"{ROUND}-model") == contents(desk.round.model)
    export.ui.modelFolderButton.click()
    assert "exists already" in desk.dialogs.messages[-1]
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
    assert str(desk.round.report) in desk.dialogs.messages[-1]
    desk.round.report.unlink()
    export.refresh()
    assert not export.ui.openReportButton.enabled
    assert "no report" in export.ui.copyReportButton.toolTip


def test_exported_annotations_can_be_added_to_another_study(export, desk, out, spin):
    run_export(export, desk, out, spin)
    image = desk.study.image_path(desk.case("case-001"))
    shutil.copy(image, out / "again.nrrd")
    other = create_study(out / "other", "Other", "MR", "x", desk.study.structures)
    case = new_case(other, out / "again.nrrd", site="x", role="labeled", annotation=out / "case-001.seg.nrrd")
    assert add_cases(other, [case]).case("again").annotation == "../case-001.seg.nrrd"
