"""The whole loop on the real panel: real files, nodes, views and workers, from scans in the scene to exported files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.logic.axes import right_handed
from SemiSupervisedSegLib.panel.scene.volumes import sceneVolumes
from SemiSupervisedSegLib.panel.widget import Panel
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role

from .loop_driver import LoopDriver, loadPhantoms
from .scene.builders import mask_of, ras_of

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"
# Two unlabeled scans of the own hospital: whichever result is accepted, one is left to learn from.
SCANS = {"labeled": 3, "unlabeled": 2, "external": 2, "size": (32, 32, 4), "difficulty": 0.0}
STEPS = {
    "labeled_batch": 2,
    "unlabeled_batch": 2,
    "external_batch": 2,
    "patch_size": "32x32",
    "in_plane_scale": 1.0,
    "checkpoint_interval": 20,
    "validation_interval": 20,
    "preview_interval": 20,
    "threads": 1,
}
HEAVY = ("torch", "monai", "SemiSupervisedSegLib.engine")
FILL = 0.35


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Slicer, nobody has loaded torch; and the log of the worker names everything that it loads."""
    for name in [name for name in sys.modules if name.startswith(HEAVY)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


@pytest.fixture
def loop(
    profile: Path, fresh_process: None, slice_views: Any, services: Any, spin: Callable[..., None]
) -> Iterator[LoopDriver]:
    """A panel, and scans of three hospitals in the scene."""
    loadPhantoms(**SCANS)
    panel = Panel(UI, slicer.mrmlScene, services)
    yield LoopDriver(panel, spin)
    panel.runner.kill()
    panel.cleanup()
    panel.widget.deleteLater()


class Result:
    """A case and its two results as files, and how they look in a view."""

    def __init__(self, loop: LoopDriver, view: Any, case_id: str) -> None:
        study = loop.session.study
        place = loop.session.round.predictions / case_id
        self.view, self.color = view, np.array(study.structures[-1].color)
        self.image = read_image(study.image_path(study.case(case_id)))
        self.final, self.prototype = (
            np.transpose(sitk.GetArrayFromImage(sitk.ReadImage(str(place / f"{kind}.seg.nrrd"))))
            for kind in ("final", "prototype")
        )
        self.label = study.structures[-1].label

    def at(self, voxel: Any, towards: Any = None, part: float = 0.0) -> np.ndarray:
        """The colour at a voxel (x, y, z), or on the way to another one."""
        voxel = np.array(voxel, float)
        ras = ras_of(self.image, voxel if towards is None else voxel + part * (np.array(towards) - voxel))
        self.view.goTo(ras)
        return self.view.pixels()[self.view.pixelOf(ras)].astype(int)

    def edge(self, voxel: Any, neighbour: Any) -> np.ndarray:
        """The most colourful pixel between two voxels."""
        colors = [self.at(voxel, neighbour, part) for part in np.linspace(0.2, 0.8, 13)]
        return max(colors, key=lambda color: color.max() - color.min())

    def edges(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Voxels of the final result of the structure, each with a neighbour in the slice that is background."""
        axis = int(np.argmin(self.image.GetSpacing()))
        step = np.eye(3, dtype=int)[axis]
        inside = np.argwhere(self.final == self.label)
        inside = inside[inside[:, axis] + 1 < self.final.shape[axis]]
        return [(voxel, voxel + step) for voxel in inside if self.final[tuple(voxel + step)] == 0]


def some(voxels: np.ndarray, count: int = 4) -> np.ndarray:
    """A few of many."""
    assert len(voxels)
    return voxels[:: max(1, len(voxels) // count)][:count]


def test_from_scans_in_the_scene_to_exported_segmentations(loop, slice_views, dialogs, profile):
    make_study(loop, profile / "Étude n°1")
    annotate(loop)
    first = train(loop)
    replace_results(loop, first)
    worst = loop.review(0)
    look(loop, Result(loop, slice_views["Red"], worst))
    expected = correct(loop, worst)
    second = next_round(loop, worst)
    export(loop, worst, expected, profile / "Exporté")
    assert dialogs.messages == []
    assert [name for name in sys.modules if name.startswith(HEAVY)] == []
    for folder in (first, second):
        imported = re.findall(r"import time:.*\|\s+([\w.]+)", folder.log.read_text())
        assert "torch" in imported
        assert not [name for name in imported if name.split(".")[0] in ("slicer", "vtk", "vtkmodules", "qt", "PySide6")]


def make_study(loop: LoopDriver, folder: Path) -> None:
    volumes = sceneVolumes()
    loop.fillStudy("Phantoms", "Home", slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0])
    loop.createStudy(folder)
    loop.addVolumes()
    # Those of the scene belong to the user and would cover what the panel shows at the same place.
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        node.SetDisplayVisibility(False)
    study = loop.session.study
    ids = [case.id for case in study.cases]
    assert ids == [volume.GetName() for volume in volumes]
    assert [structure.name for structure in study.structures] == ["chamber", "wall"]
    for site in ("East", "West"):
        loop.setSite([name for name in ids if name.startswith(site)], site)
    loop.setRole(ids[:2], "labeled")
    loop.setRole(ids[2:3], "validation")
    loop.setRole(ids[3:], "unlabeled")
    marked = [(case.site, case.role, case.annotation is not None) for case in loop.session.study.cases]
    assert marked == [
        *[("Home", Role.LABELED, True)] * 2,
        ("Home", Role.VALIDATION, True),
        *[("Home", Role.UNLABELED, False)] * 2,
        ("East", Role.UNLABELED, False),
        ("West", Role.UNLABELED, False),
    ]


def annotate(loop: LoopDriver) -> None:
    before = loop.session.study.case("Home-1").annotation
    loop.annotate("Home-1")
    nodes = loop.panel.scene.nodes
    where = np.zeros(slicer.util.arrayFromVolume(nodes.volume).shape, bool)
    where[1, 2:4, 2:4] = True
    count = int((mask_of(nodes.annotation, "wall", nodes.volume) | where).sum())
    loop.paint("wall", where)
    loop.saveAnnotation()
    case = loop.session.study.case("Home-1")
    assert case.annotation != before
    assert (stored(loop, case.id) == 2).sum() == count


def train(loop: LoopDriver) -> JobFolder:
    loop.show("Home-4")
    loop.setUpTraining("cu2l", "quick", steps=40, **STEPS)
    folder = loop.start()
    loop.waitForPreview(120)
    assert loop.previewStep() in (20, 40)
    loop.waitForRound(folder, 120)
    tables = {
        node.GetAttribute("SemiSupervisedSeg.Curves"): node.GetTable().GetNumberOfRows()
        for node in slicer.util.getNodesByClass("vtkMRMLTableNode")
    }
    assert tables["losses"] >= 4
    assert tables["dice"] == 2
    assert "is finished: mean Dice" in loop.ui("Train").outcomeLabel.text
    return folder


def replace_results(loop: LoopDriver, folder: JobFolder) -> None:
    """Write results that overlap in part in the place of the network's, which differ between machines."""
    study = loop.session.study
    # Results of the shown case are in the scene already.
    loop.session.show(None)
    for case in study.cases:
        place = folder.predictions / case.id
        if place.is_dir():
            image = read_image(study.image_path(case))
            for kind, start in (("final", 2), ("prototype", 4)):
                classes = np.zeros(image.GetSize()[::-1], np.uint8)
                classes[tuple(slice(length * start // 8, length * (start + 2) // 8) for length in classes.shape)] = 2
                segmentation = sitk.GetImageFromArray(classes)
                segmentation.CopyInformation(image)
                write_segmentation(place / f"{kind}.seg.nrrd", segmentation, study.structures)
    loop.show("Home-1")


def look(loop: LoopDriver, result: Result) -> None:
    """Fill of the one, outline of the other, at the places where the files have them and nowhere else."""
    ui = loop.ui("Review")
    label = result.label
    filled = some(np.argwhere((result.prototype == label) & (result.final == 0)))
    bare = some(np.argwhere((result.prototype == 0) & (result.final == 0)))
    edges = some(np.array(result.edges()))
    boxes = (ui.showAnnotationBox, ui.showPrototypeBox, ui.showFinalBox)
    assert all(box.checked for box in boxes)
    with_overlays = {tuple(voxel): result.at(voxel) for voxel in (*filled, *bare)}
    for box in boxes:
        box.click()
    for voxel in filled:
        plain = result.at(voxel)
        assert np.allclose(with_overlays[tuple(voxel)], plain + FILL * (result.color - plain), atol=5), voxel
    for voxel in bare:
        assert np.allclose(with_overlays[tuple(voxel)], result.at(voxel), atol=2), voxel
    ui.showFinalBox.click()
    for voxel, neighbour in edges:
        assert np.allclose(result.edge(voxel, neighbour), result.color, atol=12), voxel
    for voxel in filled:
        color = result.at(voxel)
        assert color.max() - color.min() <= 2, voxel
    for box in boxes[:2]:
        box.click()


def correct(loop: LoopDriver, case_id: str) -> np.ndarray:
    """Correct a result and accept it; returns the classes (z, y, x) of the corrected one, right-handed."""
    loop.correct()
    nodes = loop.panel.scene.nodes
    where = np.zeros(slicer.util.arrayFromVolume(nodes.volume).shape, bool)
    where[tuple(slice(length // 3, length // 3 + 3) for length in where.shape)] = True
    loop.paint("chamber", where)
    expected = sum(
        structure.label * mask_of(nodes.annotation, structure.name, nodes.volume)
        for structure in loop.session.study.structures
    )
    assert (expected[where] == 1).all()
    loop.accept()
    case = loop.session.study.case(case_id)
    assert case.role is Role.LABELED
    assert np.array_equal(stored(loop, case_id), expected)
    assert loop.session.case_id != case_id
    return expected


def next_round(loop: LoopDriver, corrected: str) -> JobFolder:
    before = loop.session.round
    loop.offerNextRound()
    assert loop.ui("Train").startBox.currentData == str(before.model)
    loop.setUpTraining("cu2l", "quick", steps=20, **STEPS)
    folder = loop.start()
    loop.waitForRound(folder, 120)
    spec = folder.spec()
    assert spec.warm_start == str(before.model)
    learned = next(case for case in spec.cases if case.id == corrected)
    assert learned.role is Role.LABELED
    assert learned.annotation == str(loop.session.study.annotation_path(loop.session.study.case(corrected)))
    return folder


def export(loop: LoopDriver, corrected: str, expected: np.ndarray, folder: Path) -> None:
    """What Slicer reads from the exported files is what was annotated, and the grids are those of the images."""
    files = loop.export(folder, "seg.nrrd")
    annotated = [case for case in loop.session.study.cases if case.annotation is not None]
    assert sorted(file.name for file in files) == sorted(f"{case.id}.seg.nrrd" for case in annotated)
    for case in annotated:
        image = read_image(loop.session.study.image_path(case))
        assert same_grid(sitk.ReadImage(str(folder / f"{case.id}.seg.nrrd")), image)
        loop.show(case.id)
        imported = read_by_slicer(folder / f"{case.id}.seg.nrrd")
        volume = loop.panel.scene.nodes.volume
        found = sum(
            structure.label * mask_of(imported, structure.name, volume) for structure in loop.session.study.structures
        )
        assert np.array_equal(found, expected if case.id == corrected else stored(loop, case.id))


def stored(loop: LoopDriver, case_id: str) -> np.ndarray:
    """The annotation of a case on disk (z, y, x), right-handed as nodes are."""
    study = loop.session.study
    case = study.case(case_id)
    image = read_image(study.image_path(case))
    return sitk.GetArrayFromImage(right_handed(read_annotation(study.annotation_path(case), study.structures, image)))


def read_by_slicer(path: Path) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node
