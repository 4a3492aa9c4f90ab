"""The images of the sample study, which are synthetic: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import slicer

from ...study.model import Study
from ..logic.case_files import FileRequest, read_content
from .segments import setLabels
from .volumes import addVolume

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


def sampleRecipe() -> dict[str, int | float | tuple[int, ...]]:
    """Return the arguments of `phantom.generate_study` that make the sample study."""
    return {**_RECIPE, "sites": len(SITES)}


def addNodes(study: Study) -> Generator[int, None, list[slicer.vtkMRMLScalarVolumeNode]]:
    """Add the images of a study to the scene with their annotations, the first of which is shown.

    Yields the number of images after each of them, and returns the volume nodes.
    """
    volumes, counts = [], dict.fromkeys(SITES, 0)
    names = dict(zip(dict.fromkeys(case.site for case in study.cases), SITES, strict=True))
    for case in study.cases:
        site = names[case.site]
        counts[site] += 1
        volume = addVolume(study.image_path(case), f"{site}-{counts[site]}")
        volumes.append(volume)
        annotation = study.annotation_path(case)
        if annotation is not None:
            _addSegmentation(volume, annotation, study, isShown=len(volumes) == 1)
        yield len(volumes)
    return volumes


def _addSegmentation(volume: slicer.vtkMRMLScalarVolumeNode, annotation: Path, study: Study, isShown: bool) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{volume.GetName()} segmentation")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    request = FileRequest("segmentation", str(annotation), study.structures)
    setLabels(node, read_content(request), study.structures)
    node.SetDisplayVisibility(isShown)
