"""A copy of a prediction as the annotation of its case, to be corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import slicer

from ...jobs.results import MM3_PER_ML
from ...study.errors import UserError
from ...study.model import Structure
from ..logic.axes import right_handed
from .case_loading import CaseLoader
from .changes import Changes
from .geometry import voxels
from .hierarchy import removeNode
from .segments import BINARY, segmentsOf
from .tags import ANNOTATION, CaseNodes, copyOf, setCopyOf


def copyPrediction(nodes: CaseNodes, kind: str, loader: CaseLoader, changes: Changes) -> slicer.vtkMRMLSegmentationNode:
    """Return a new annotation with the segments of a prediction, in place of a saved one; the prediction stays.

    Raises:
        UserError: There is no such prediction, or the annotation has changes that are not saved.
    """
    prediction = getattr(nodes, kind)
    if prediction is None:
        raise UserError(f"There is no such prediction for {nodes.case_id}.", "Choose a round that predicted this case.")
    if nodes.annotation is not None:
        if changes.isChanged(nodes.annotation):
            raise UserError(
                f"The annotation of {nodes.case_id} has changes that are not saved.", "Save or discard them before."
            )
        removeNode(nodes.annotation)
    node = loader.emptySegmentation(ANNOTATION)
    node.GetSegmentation().DeepCopy(prediction.GetSegmentation())
    setCopyOf(node, kind)
    # Nothing of it is on disk yet.
    changes.setUnsaved(node)
    return node


def correctedVolume(nodes: CaseNodes, classMap: sitk.Image, structures: Sequence[Structure]) -> float | None:
    """Return the volume in mL of the voxels that a saved correction changed in the prediction that it is a copy of.

    Args:
        nodes: Nodes of the case.
        classMap: The annotation as it was saved.
        structures: Structures of the study, which the class indices count.

    Returns:
        None when the annotation is no copy of a prediction that is in the scene as it was read.
    """
    kind = copyOf(nodes.annotation)
    prediction = None if kind is None else getattr(nodes, kind)
    if prediction is None:
        return None
    # The view does not keep the image.
    image = right_handed(classMap)
    saved = sitk.GetArrayViewFromImage(image)
    offered = _classesOf(prediction, structures)
    if offered is None or offered.shape != saved.shape:
        return None
    # Slice by slice: a mask of the whole image would take as much memory as the image.
    count = sum(np.count_nonzero(one != other) for one, other in zip(saved, offered, strict=True))
    return float(count) * math.prod(classMap.GetSpacing()) / MM3_PER_ML


def _classesOf(node: slicer.vtkMRMLSegmentationNode, structures: Sequence[Structure]) -> np.ndarray | None:
    """Return the class indices (z, y, x) of a segmentation whose segments share one image, else None."""
    segments = [segment for _, segment in segmentsOf(node)]
    images = {segment.GetRepresentation(BINARY) for segment in segments}
    image = images.pop() if len(images) == 1 else None
    if image is None or image.GetPointData().GetScalars() is None:
        return None
    index = {structure.name.casefold(): number for number, structure in enumerate(structures, 1)}
    classes = {segment.GetLabelValue(): index.get(segment.GetName().casefold(), 0) for segment in segments}
    values = voxels(image)
    if all(label == number for label, number in classes.items()):
        return values
    lookup = np.zeros(1 + max(classes), np.uint8)
    lookup[list(classes)] = list(classes.values())
    return lookup[values]
