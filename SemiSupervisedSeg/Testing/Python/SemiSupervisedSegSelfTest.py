"""Self-tests of the module for desktop Slicer, on synthetic images: the panel is used as a user does.

They run from the button "Reload and Test" and by ctest. What needs PyTorch is skipped without it, in words.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util

# Enough for the worker to do everything once; the result is of no use.
SETTINGS = {
    "steps": 2,
    "labeled_batch": 1,
    "unlabeled_batch": 1,
    "external_batch": 1,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 1,
    "preview_interval": 0,
}
TRAINING_SECONDS = 600


class PanelTest(unittest.TestCase):
    """A panel without a study, an empty scene and a temporary folder; dialogs answer by themselves."""

    def setUp(self) -> None:
        """Take the panel of the module, as it is in Slicer."""
        self.folder = Path(tempfile.mkdtemp(prefix="semi-supervised-seg-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        slicer.mrmlScene.Clear(0)
        self.panel = slicer.modules.semisupervisedseg.widgetRepresentation().self().panel
        self.session = self.panel.session
        self.session.close_study()
        self.addCleanup(slicer.mrmlScene.Clear, 0)
        self.addCleanup(self.session.close_study)
        self.answer(confirm=lambda text: True, showError=self.failWith)

    def answer(self, **answers: Callable[..., Any]) -> None:
        """Let dialogs answer."""
        for name, function in answers.items():
            patch = mock.patch.object(self.panel.services.dialogs, name, function)
            patch.start()
            self.addCleanup(patch.stop)

    def failWith(self, error: Exception) -> None:
        """Fail on an error that the user would see."""
        self.fail(f"The panel reported: {error}")

    def waitFor(self, until: Callable[[], bool], seconds: float, what: str) -> None:
        """Let Slicer work until something holds."""
        end = time.monotonic() + seconds
        while not until():
            self.assertLess(time.monotonic(), end, f"{what} took longer than {seconds} s.")
            slicer.app.processEvents()
            time.sleep(0.01)

    def makeStudy(self, name: str = "phantom", **changes: Any) -> Any:
        """Return a small synthetic study of two sites, which is not opened."""
        from SemiSupervisedSegLib.phantom.generate import generate_study

        counts = {"sites": 2, "labeled": 1, "validation": 1, "unlabeled": 1, "external": 1}
        return generate_study(self.folder / name, **{**counts, "size": (32, 32, 4), **changes})

    def assertSameImage(self, first: sitk.Image, second: sitk.Image) -> None:
        """Assert that two images have the same voxels at the same places."""
        np.testing.assert_array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
        for get in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(first, get)(), getattr(second, get)(), atol=1e-4)


class SceneAndStudyTest(PanelTest):
    """Images and annotations go from the scene into the study and back, voxel by voxel."""

    def test_scene_to_study_and_back(self) -> None:
        """An oblique volume with its segmentation becomes an annotated case, and the case is shown as it was."""
        from SemiSupervisedSegLib.panel.logic.case_files import FileRequest, read_content
        from SemiSupervisedSegLib.panel.scene.segments import setLabels
        from SemiSupervisedSegLib.panel.scene.volumes import addVolume, exportVolume
        from SemiSupervisedSegLib.study.images import read_image

        source = self.makeStudy("source")
        origin = source.cases[0]
        volume = addVolume(source.image_path(origin), "Scan")
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
        segmentation.CreateDefaultDisplayNodes()
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        file = FileRequest("segmentation", str(source.annotation_path(origin)), source.structures)
        setLabels(segmentation, read_content(file), source.structures)

        self.session.create_study(self.folder / "study", "Self-test", source.modality, "Here", source.structures)
        cases = self.panel.sections["Cases"]
        self.answer(chooseItems=lambda title, label, items: list(range(len(items))))
        cases.ui.addSiteBox.setEditText("Here")
        cases.ui.addVolumesButton.click()
        self.waitFor(lambda: not cases.adder.busy, 60, "Adding an image")

        study = self.session.study
        self.assertEqual([case.site for case in study.cases], ["Here"])
        case = study.cases[0]
        self.assertSameImage(read_image(study.image_path(case)), read_image(source.image_path(origin)))
        self.assertIsNotNone(case.annotation)
        drawn = read_image(source.annotation_path(origin))
        self.assertSameImage(read_image(study.annotation_path(case)), drawn)
        self.session.show(case.id)
        again = self.folder / "again.nrrd"
        exportVolume(self.panel.scene.nodes.volume, again)
        self.assertSameImage(read_image(again), read_image(source.image_path(origin)))

    def test_scene_file_brings_the_study_back(self) -> None:
        """A saved scene opens with the study and the case that were shown."""
        study = self.makeStudy()
        self.session.open_study(study.folder)
        self.session.show(study.cases[1].id)
        path = str(self.folder / "scene.mrb")
        self.assertTrue(slicer.mrmlScene.WriteToMRB(path))
        slicer.mrmlScene.Clear(0)
        self.session.close_study()
        self.assertTrue(slicer.mrmlScene.ReadFromMRB(path, True))
        self.assertEqual(self.session.folder, study.folder)
        self.assertEqual(self.session.case_id, study.cases[1].id)
        self.assertIsNotNone(self.panel.scene.nodes.volume)


class LoopTest(PanelTest):
    """A round from the button Start to the exported annotation."""

    def setUp(self) -> None:
        """Skip without PyTorch."""
        super().setUp()
        missing = self.panel.services.installer.missing()
        if missing:
            self.skipTest(f"NOT TESTED, training: {', '.join(missing)} is not installed. Install it in the panel.")

    def test_train_review_correct_accept_export(self) -> None:
        """Two steps of CU2L; a corrected result becomes an annotation, and the exported file equals it."""
        torchBefore = "torch" in sys.modules
        study = self.makeStudy()
        self.session.open_study(study.folder)
        self.train()
        self.assertEqual("torch" in sys.modules, torchBefore, "PyTorch was loaded into Slicer.")
        case = next(case for case in study.cases if case.annotation is None)
        painted = self.reviewAndCorrect(case.id)
        self.exportAndCompare(case.id, painted)

    def train(self) -> None:
        """From the form to the result of the round."""
        train = self.panel.sections["Train"]
        self.waitFor(lambda: bool(train.form.device), 120, "Looking for what this computer can train on")
        train.form.chooseMethod("cu2l")
        train.form.choosePreset("quick")
        train.ui.deviceBox.setCurrentIndex(train.ui.deviceBox.findData("cpu"))
        for name, value in SETTINGS.items():
            train.form.settings.rows[name].tryValue(value)
        self.assertTrue(train.ui.startButton.enabled, train.ui.startButton.toolTip)
        train.ui.startButton.click()
        self.waitFor(lambda: not self.panel.runner.running, TRAINING_SECONDS, "A training of two steps")
        self.assertIsNotNone(self.session.round, train.ui.outcomeLabel.text)
        self.assertTrue(self.session.round.model.is_dir())

    def reviewAndCorrect(self, caseId: str) -> np.ndarray:
        """Look at a result, paint into it and accept it; returns the mask of what was painted."""
        review = self.panel.sections["Review"]
        self.waitFor(lambda: caseId in review.model.caseIds(), 60, "Reading the results")
        self.session.show(caseId)
        self.assertIsNotNone(self.panel.scene.nodes.final)
        self.assertTrue(review.ui.correctButton.enabled, review.ui.correctButton.toolTip)
        review.ui.correctButton.click()
        nodes = self.panel.scene.nodes
        name = self.session.study.structures[0].name
        segmentId = nodes.annotation.GetSegmentation().GetSegmentIdBySegmentName(name)
        painted = np.zeros(slicer.util.arrayFromVolume(nodes.volume).shape, np.uint8)
        painted[1:3, 8:16, 8:20] = 1
        for number in range(nodes.annotation.GetSegmentation().GetNumberOfSegments()):
            other = nodes.annotation.GetSegmentation().GetNthSegmentID(number)
            mask = painted if other == segmentId else np.zeros_like(painted)
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, nodes.annotation, other, nodes.volume)
        review.ui.acceptButton.click()
        self.assertIsNotNone(self.session.study.case(caseId).annotation)
        return painted

    def exportAndCompare(self, caseId: str, painted: np.ndarray) -> None:
        """Assert that the file for other programs has what was painted, on the grid of the image."""
        from SemiSupervisedSegLib.study.exporting import annotation_sources, chosen_sources, export_cases
        from SemiSupervisedSegLib.study.images import read_image

        study = self.session.study
        sources = chosen_sources(annotation_sources(study), [caseId])
        exported = read_image(next(export_cases(sources, self.folder / "exported", "nrrd")))
        array = sitk.GetArrayFromImage(exported)
        self.assertEqual(int((array == study.structures[0].label).sum()), int(painted.sum()))
        self.assertEqual(int((array != 0).sum()), int(painted.sum()))
        image = read_image(study.image_path(study.case(caseId)))
        np.testing.assert_allclose(exported.GetOrigin(), image.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(exported.GetDirection(), image.GetDirection(), atol=1e-4)
