"""Agreement of a segmentation with an annotation: overlap and surface distances of every structure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import compute_dice, compute_iou
from monai.metrics.utils import get_mask_edges, get_surface_distance

from ...jobs.results import MM3_PER_ML, PredictionKind
from ...jobs.structure_score import StructureScore

PERCENTILE = 95
# Surfaces need the neighbours of the outermost voxels to see that they are background.
MARGIN = 1


@dataclass(frozen=True)
class SurfaceDistances:
    """95th percentile, symmetric mean and one-directional mean in one unit."""

    hd95: float
    asd: float
    asd_one_directional: float


def score_case(
    case: str,
    kind: PredictionKind,
    prediction: np.ndarray,
    annotation: np.ndarray,
    spacing: Sequence[float],
    structures: Sequence[str],
    annotated: Collection[str] | None = None,
) -> list[StructureScore]:
    """Score every structure that a case is annotated for.

    Args:
        case: Id of the case.
        kind: Final or prototype-based prediction.
        prediction: Class indices (z, y, x).
        annotation: Class indices of the same shape.
        spacing: Spacing in mm along (z, y, x).
        structures: Names of the structures; class index i is `structures[i - 1]`.
        annotated: Names of the structures that the case is annotated for, None for all.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != annotation.shape:
        raise ValueError(f"Prediction {prediction.shape} and annotation {annotation.shape} differ in shape.")
    return [
        _score_structure(case, kind, name, prediction == index, annotation == index, spacing)
        for index, name in enumerate(structures, 1)
        if annotated is None or name in annotated
    ]


def _score_structure(
    case: str,
    kind: PredictionKind,
    structure: str,
    prediction: np.ndarray,
    annotation: np.ndarray,
    spacing: Sequence[float],
) -> StructureScore:
    voxels, annotated = np.count_nonzero(prediction), np.count_nonzero(annotation)
    voxel_ml = float(np.prod(spacing)) / MM3_PER_ML
    dice, jaccard = _overlap(prediction, annotation) if voxels and annotated else (float(voxels == annotated),) * 2
    in_mm = surface_distances(prediction, annotation, spacing)
    in_voxels = surface_distances(prediction, annotation, (1.0,) * prediction.ndim)
    return StructureScore(
        case=case,
        structure=structure,
        kind=kind,
        dice=dice,
        jaccard=jaccard,
        hd95_mm=in_mm.hd95,
        hd95_voxel=in_voxels.hd95,
        asd_mm=in_mm.asd,
        asd_voxel=in_voxels.asd,
        asd_one_directional_voxel=in_voxels.asd_one_directional,
        volume_ml=voxels * voxel_ml,
        annotation_volume_ml=annotated * voxel_ml,
        empty_prediction=not voxels,
        empty_annotation=not annotated,
    )


def surface_distances(prediction: np.ndarray, annotation: np.ndarray, spacing: Sequence[float]) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    An axis with one voxel has no surface across it and is left out. Empty masks: see `StructureScore`.

    Args:
        prediction: Mask (z, y, x) of bool.
        annotation: Mask of the same shape.
        spacing: Spacing along its axes, in the unit of the result.
    """
    if not prediction.any() and not annotation.any():
        return SurfaceDistances(0.0, 0.0, 0.0)
    if not prediction.any() or not annotation.any():
        diagonal = float(np.linalg.norm(np.asarray(prediction.shape) * np.asarray(spacing)))
        return SurfaceDistances(diagonal, diagonal, diagonal)
    steps = [float(step) for step, size in zip(spacing, prediction.shape, strict=True) if size > 1]
    if not steps:
        return SurfaceDistances(0.0, 0.0, 0.0)
    edges = get_mask_edges(*_crop(prediction.squeeze(), annotation.squeeze()), crop=False)
    both = [
        np.asarray(get_surface_distance(first, second, spacing=steps), dtype=np.float64)
        for first, second in (edges, edges[::-1])
    ]
    return SurfaceDistances(
        hd95=max(float(np.percentile(distances, PERCENTILE)) for distances in both),
        asd=float(np.concatenate(both).mean()),
        asd_one_directional=float(both[0].mean()),
    )


def _overlap(prediction: np.ndarray, annotation: np.ndarray) -> tuple[float, float]:
    first, second = (torch.from_numpy(mask)[None, None] for mask in _crop(prediction, annotation))
    return compute_dice(first, second).item(), compute_iou(first, second).item()


def _crop(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut both masks to the box around their union with a margin, for speed."""
    union = first | second
    box = []
    for axis in range(union.ndim):
        inside = np.flatnonzero(union.any(axis=tuple(other for other in range(union.ndim) if other != axis)))
        box.append(slice(max(int(inside[0]) - MARGIN, 0), int(inside[-1]) + 1 + MARGIN))
    return first[tuple(box)].copy(), second[tuple(box)].copy()
