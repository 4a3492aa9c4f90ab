"""Files and nodes that the tests of the scene start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from scipy import ndimage

from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.images import read_image, write_image
from SemiSupervisedSegLib.study.model import Case, Study

TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    "~SCT^80891009^Heart~^^~Anatomic codes - DICOM master list~^^~^^"
)


def like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    """An image of these voxels on the grid of another."""
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def classes_of(study: Study, case: Case, path: Path | None = None) -> np.ndarray:
    """The class map (z, y, x) of an annotation on the grid of the case's image."""
    path = path or study.annotation_path(case)
    return sitk.GetArrayFromImage(read_annotation(path, study.structures, read_image(study.image_path(case))))


def some_classes(study: Study, case: Case) -> np.ndarray:
    """The annotation of a case, or for one without a block of every structure."""
    if case.annotation is not None:
        return classes_of(study, case)
    shape = sitk.GetArrayViewFromImage(read_image(study.image_path(case))).shape
    classes = np.zeros(shape, np.uint8)
    lower, upper = [length // 4 for length in shape], [length - length // 4 for length in shape]
    classes[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))] = 2
    lower, upper = [length * 2 // 5 for length in shape], [length - length * 2 // 5 for length in shape]
    classes[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))] = 1
    return classes


def write_prediction(study: Study, case: Case, parent: Path, final: int, prototype: int) -> dict[str, Path]:
    """Both segmentations, moved along the second axis by so many voxels, and the maps of one case."""
    image = read_image(study.image_path(case))
    classes = some_classes(study, case)
    place = parent / case.id
    place.mkdir(parents=True, exist_ok=True)
    for name, shift in (("final", final), ("prototype", prototype)):
        write_segmentation(place / f"{name}.seg.nrrd", like(np.roll(classes, shift, 1), image), study.structures)
    probability = ndimage.gaussian_filter((np.roll(classes, final, 1) > 0).astype(np.float32), 1)
    write_image(place / "probability.nrrd", like(probability, image))
    write_image(place / "uncertainty.nrrd", like((4 * probability * (1 - probability)).astype(np.float32), image))
    return {path.name.split(".")[0]: path for path in place.iterdir()}


def add_segmentation(volume: Any, parts: dict[str, np.ndarray], name: str = "mine") -> Any:
    """A segmentation that the user drew on a volume: masks (z, y, x) of its node by segment name."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for title, mask in parts.items():
        segment = node.GetSegmentation().AddEmptySegment("", title)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment, volume)
    return node


def mask_of(node: Any, name: str, volume: Any) -> np.ndarray:
    """Where the segment of this name is on the grid of a volume node (z, y, x), as Slicer itself exports it."""
    segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume) > 0


def paint(node: Any, name: str, volume: Any, corner: tuple[int, int, int] = (0, 0, 0), size: int = 2) -> np.ndarray:
    """Add a cube to a segment through Slicer's own functions, as the Segment Editor would; returns the new mask."""
    mask = mask_of(node, name, volume).astype(np.uint8)
    mask[tuple(slice(start, start + size) for start in corner)] = 1
    segment = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    return mask > 0


def ras_of(image: sitk.Image, index: tuple[int, int, int]) -> tuple[float, float, float]:
    """Where a voxel (x, y, z) of a file lies in the scene, in mm."""
    x, y, z = image.TransformContinuousIndexToPhysicalPoint([float(part) for part in index])
    return -x, -y, z
