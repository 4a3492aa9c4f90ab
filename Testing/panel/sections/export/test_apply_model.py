from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.job_specs import new_prediction_round
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

ROUND = "001-supervised"


def items(box: Any) -> list[str]:
    return [box.itemText(index) for index in range(box.count)]


def test_a_folder_without_a_model_is_refused_and_one_with_a_model_is_offered(export, desk, out):
    desk.dialogs.answer("chooseFolder", str(out))
    export.ui.chooseModelButton.click()
    assert "does not contain a trained model" in desk.dialogs.messages[-1]
    shutil.copytree(desk.round.model, out / "theirs" / "model")
    desk.dialogs.answer("chooseFolder", str(out / "theirs"))
    export.ui.chooseModelButton.click()
    assert export.ui.applyModelBox.currentData == str(out / "theirs" / "model")
    desk.session.refresh_rounds()
    assert export.ui.applyModelBox.currentData == str(out / "theirs" / "model")
    # The folder above it, and one of its own, are meant for the model as well.
    desk.dialogs.answer("chooseFolder", str(out / "theirs" / "model" / "models"))
    export.ui.chooseModelButton.click()
    assert len(desk.dialogs.messages) == 1
    assert items(export.ui.applyModelBox).count(str(out / "theirs" / "model")) == 1


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
    assert desk.dialogs.messages == ["It does not start."]
    assert [path.name for path in (desk.folder / "rounds").iterdir() if path.is_dir()] == [ROUND]


def test_a_bad_file_adds_nothing(export, desk, out, spin):
    (out / "bad.nrrd").write_text("no image")
    before = desk.study
    desk.dialogs.answer("chooseFiles", [str(out / "bad.nrrd")])
    desk.dialogs.answer("askText", "Elsewhere")
    export.ui.applyFilesButton.click()
    spin(lambda: bool(desk.dialogs.messages))
    assert "bad" in desk.dialogs.messages[0]
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
