"""A copy of a prediction as the annotation of its case, to be corrected."""

from __future__ import annotations

import slicer

from ...study.errors import UserError
from .case_loading import CaseLoader
from .changes import Changes
from .hierarchy import removeNode
from .tags import ANNOTATION, CaseNodes


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
    # Nothing of it is on disk yet.
    changes.setUnsaved(node)
    return node
