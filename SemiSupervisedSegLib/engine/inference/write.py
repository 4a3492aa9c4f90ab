"""A case's predictions as files on the original grid of its image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...jobs.results import MAPS, MM3_PER_ML, SEGMENTATIONS, CaseSummary, write_summary
from ...jobs.structure_maps import structure_map
from ...planning.plan import Plan
from ...study.annotations import write_segmentation
from ...study.duplicates import image_digest
from ...study.files import atomic_folder
from ...study.images import read_image, write_image
from ...study.model import Structure
from .image_maps import as_image, image_maps
from .quality import quality_flags
from .sliding_window import GridPrediction
from .uncertainty import VoxelMaps, disagreement, expected_dice, soft_disagreement


def write_case_prediction(
    folder: Path | str,
    case_id: str,
    prediction: GridPrediction,
    plan: Plan,
    reference: sitk.Image,
    structures: Sequence[Structure],
    largest_component: bool,
) -> CaseSummary:
    """Write both segmentations, the maps and the summary of a case into `folder / case_id`.

    The case's folder takes the place of an older one when it is complete; a failure leaves the older one.
    Classes are resampled one at a time, so that a large image does not need all of them in memory.

    Args:
        folder: Folder of all predictions.
        case_id: Id of the case, the name of its folder.
        prediction: Both class probabilities (C, slices, rows, columns) on the plan's grid.
        plan: Plan by which the image was resampled to that grid.
        reference: Original image, whose grid the files get.
        structures: Structures in the order of the class indices: class i is `structures[i - 1]`.
        largest_component: Whether only the largest piece stays of structures that are one piece, see `image_maps`.

    Raises:
        UserError: The files cannot be written.
    """
    if prediction.prototype is None:
        raise ValueError("A case is written with both predictions; the prototype-based one is missing.")
    # The probability of an only structure is the map of any structure already.
    final = image_maps(prediction.final, plan, reference, largest_component, keep_shares=len(structures) > 1)
    prototype = image_maps(prediction.prototype, plan, reference, largest_component)
    difference = disagreement(final.classes, prototype.classes, plan.num_classes)
    summary = _summarise(case_id, prediction, final, prototype.classes, difference.dice, reference, structures)
    with atomic_folder(Path(folder) / case_id) as new:
        write_segmentation(new / SEGMENTATIONS["final"], as_image(final.classes, reference), structures)
        write_segmentation(new / SEGMENTATIONS["prototype"], as_image(prototype.classes, reference), structures)
        write_image(new / MAPS["probability"], as_image(final.foreground, reference))
        for index, shares in enumerate(final.shares, 1):
            write_image(new / structure_map(index), as_image(shares, reference))
        write_image(new / MAPS["uncertainty"], as_image(final.uncertainty, reference))
        write_image(new / MAPS["disagreement"], as_image(difference.mask, reference))
        write_summary(new, summary)
    return summary


def read_classes(path: Path | str, structures: Sequence[Structure]) -> np.ndarray:
    """Read a segmentation that `write_case_prediction` wrote as uint8 class indices (z, y, x); it may be empty.

    Raises:
        UserError: The file is missing or damaged.
    """
    # A view does not keep its image alive.
    image = read_image(path)
    values = sitk.GetArrayViewFromImage(image)
    classes = np.zeros(values.shape, dtype=np.uint8)
    for index, structure in enumerate(structures, 1):
        classes[values == structure.label] = index
    return classes


def _summarise(
    case_id: str,
    prediction: GridPrediction,
    final: VoxelMaps,
    prototype: np.ndarray,
    dice: Sequence[float],
    reference: sitk.Image,
    structures: Sequence[Structure],
) -> CaseSummary:
    assert prediction.prototype is not None
    voxel_ml = float(np.prod(reference.GetSpacing())) / MM3_PER_ML
    names = [structure.name for structure in structures]

    def volumes(classes: np.ndarray) -> dict[str, float]:
        counts = np.bincount(classes.ravel(), minlength=1 + len(names))
        return {name: float(count) * voxel_ml for name, count in zip(names, counts[1:], strict=True)}

    inside = final.classes > 0
    expected = expected_dice(prediction.final)
    return CaseSummary(
        case=case_id,
        volume_final_ml=volumes(final.classes),
        volume_prototype_ml=volumes(prototype),
        dice=dict(zip(names, dice, strict=True)),
        mean_uncertainty=float(final.uncertainty[inside].mean()) if inside.any() else 0.0,
        disagreement=soft_disagreement(prediction.final, prediction.prototype),
        image_digest=image_digest(reference),
        expected_dice={name: value for name, value in zip(names, expected, strict=True) if value is not None},
        flags=quality_flags(final.classes, names),
    )
