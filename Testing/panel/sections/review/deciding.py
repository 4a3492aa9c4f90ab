"""What a user does with the buttons below a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util

from SemiSupervisedSegLib.panel.scene.segments import segmentsOf
from SemiSupervisedSegLib.panel.sections.review.section import ReviewSection
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image

from ..desk import Desk, voxels


def annotation_of(desk: Desk, case_id: str) -> np.ndarray:
    """The annotation as label values."""
    case = desk.case(case_id)
    image = read_image(desk.study.image_path(case))
    return sitk.GetArrayFromImage(read_annotation(desk.study.annotation_path(case), desk.study.structures, image))


def choose_kind(review: ReviewSection, kind: str) -> None:
    review.ui.kindBox.setCurrentIndex(review.ui.kindBox.findData(kind))


def accept(review: ReviewSection, desk: Desk, case_id: str) -> None:
    """Accept the prototype-based result, which finds something in every case."""
    desk.session.show(case_id)
    choose_kind(review, "prototype")
    review.ui.acceptButton.click()


def paint(desk: Desk, node: Any) -> np.ndarray:
    """Paint a block of the first structure over everything that is there, as a user does in the Segment Editor."""
    made = np.zeros(voxels(desk.study.image_path(desk.case(desk.session.case_id))).shape, np.uint8)
    made[1:3, 10:20, 5:15] = 1
    for segment_id, segment in segmentsOf(node):
        own = segment.GetName() == desk.study.structures[0].name
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            made * np.uint8(own), node, segment_id, desk.scene.nodes.volume
        )
    return made
