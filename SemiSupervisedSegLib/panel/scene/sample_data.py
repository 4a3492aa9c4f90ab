"""The sample study in Slicer's module Sample Data: made up on this computer, nothing is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from ...study.model import Study
from .segments import readClasses, setClasses
from .views import showVolume
from .volumes import addVolume

if TYPE_CHECKING:
    import SampleData

CATEGORY = "Semi-Supervised Segmentation"
NAME = "SemiSupervisedSeg phantom study"
# The local hospital first.
SITES = ("Home", "East", "West")
# Enough for a round of CU2L that takes minutes on a processor.
_RECIPE = {
    "labeled": 3,
    "validation": 0,
    "unlabeled": 3,
    "external": 4,
    "size": (128, 128, 12),
    "difficulty": 0.2,
}


def registerSampleData(thumbnail: str) -> None:
    """Offer the sample study in the module Sample Data; `thumbnail` is the path of its picture."""
    # Slicer's own module, which is there once Slicer has started.
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        # Nothing is fetched from anywhere, but a source needs one.
        uris="",
        fileNames="",
        customDownloader=_load,
        thumbnailFileName=thumbnail,
    )


def loadPhantoms(**recipe: int | float | tuple[int, ...]) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Make up scans of three hospitals and put them into the scene, some with a segmentation.

    Args:
        recipe: what differs from the sample study, as `phantom.generate_study` takes it.

    Returns:
        The volume nodes, called by hospital and number, such as Home-1.
    """
    # The phantom needs scipy, which only those load who ask for it.
    from ...phantom.generate import generate_study

    # The nodes hold everything, so no file has to stay.
    with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
        study = generate_study(Path(folder) / "phantom", sites=len(SITES), **{**_RECIPE, **recipe})
        return _addNodes(study)


def _load(_source: SampleData.SampleDataSource) -> list[slicer.vtkMRMLScalarVolumeNode]:
    slicer.util.showStatusMessage(_("Making up the images of the sample study"))
    with slicer.util.tryWithErrorDisplay(_("The sample study could not be made."), waitCursor=True):
        volumes = loadPhantoms()
        showVolume(volumes[0])
        slicer.util.showStatusMessage(_("The sample study is in the scene."), 3000)
        return volumes


def _addNodes(study: Study) -> list[slicer.vtkMRMLScalarVolumeNode]:
    volumes, counts = [], dict.fromkeys(SITES, 0)
    names = dict(zip(dict.fromkeys(case.site for case in study.cases), SITES, strict=True))
    for case in study.cases:
        site = names[case.site]
        counts[site] += 1
        volume = addVolume(study.image_path(case), f"{site}-{counts[site]}")
        volumes.append(volume)
        annotation = study.annotation_path(case)
        if annotation is not None:
            _addSegmentation(volume, annotation, study)
    return volumes


def _addSegmentation(volume: slicer.vtkMRMLScalarVolumeNode, annotation: Path, study: Study) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{volume.GetName()} segmentation")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    setClasses(node, readClasses(annotation, study.structures), study.structures)
    node.SetDisplayVisibility(False)
