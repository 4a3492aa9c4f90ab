"""Five rounds one after another: each begins with the model of the last and learns from a result accepted in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.worker.worker import main
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.panel.logic.accepting import accept, prediction_writer
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study, save_study

from .rounds import EXIT_FINISHED, contents, new_round, tiny_study

ROUNDS = 5


def test_five_rounds_with_accepted_cases(tmp_path: Path) -> None:
    study = tiny_study(tmp_path / "study", unlabeled=ROUNDS + 1)
    validation = study.cases_of(Role.VALIDATION)
    model, kept = None, {}
    for number in range(ROUNDS):
        folder = new_round(study, settings={"steps": 1}, warm_start=model)
        assert main(folder.path) == EXIT_FINISHED
        learned = [case for case in folder.spec().cases if case.role == Role.LABELED]
        assert len(learned) == 1 + number
        assert folder.metrics.read_text(encoding="utf-8").count(validation[0].id) > 0
        assert kept == {earlier: contents(earlier) for earlier in kept}, "an earlier round has changed"
        assert [item.path for item in rounds(study.folder)] == [*(item.path for item in kept), folder.path]

        chosen = study.cases_of(Role.UNLABELED)[0]
        image = read_image(study.image_path(chosen))
        # What so short a training finds differs between processors.
        classes = np.zeros(image.GetSize()[::-1], np.uint8)
        classes[1:3, 8:16, 8:16], classes[1:3, 16:20, 8:16] = 1, 2
        result = sitk.GetImageFromArray(classes)
        result.CopyInformation(image)
        write_segmentation(folder.predictions / chosen.id / "final.seg.nrrd", result, study.structures)
        changed, _ = accept(study, chosen.id, prediction_writer(folder, "final"), use_for_training=True)
        save_study(changed)
        study, model = load_study(study.folder), folder.model
        kept[folder] = contents(folder)
    assert study.cases_of(Role.VALIDATION) == validation
    assert len({case.annotation for case in study.cases_of(Role.LABELED)}) == 1 + ROUNDS
