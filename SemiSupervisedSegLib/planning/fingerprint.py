"""What a study's cases have in common: their sizes, spacings and intensities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import find_objects

from ..jobs.spec import JobCase
from ..study.annotations import read_annotation
from ..study.errors import UserError
from ..study.geometry import Geometry
from ..study.images import image_geometry, read_image
from ..study.model import Role, Structure
from .case_errors import naming_case
from .normalization import intensity_statistics, sample_evenly
from .orientation import lps_axes, triple
from .pieces import in_one_piece, pieces_of

# Voxels of one case that enter the statistics; so a large case neither outweighs the others nor fills the memory.
_VOXELS_PER_CASE = 100_000
# Beyond these percentiles of a structure by this multiple of their distance lie 14 standard deviations of a normal
# distribution, and no tissue.
_CENTRAL_PERCENTILES = (10.0, 90.0)
_OUTLIER_MARGIN = 5.0


@dataclass(frozen=True)
class CaseFingerprint:
    """Size in voxels and spacing in mm of one LPS-oriented case (z, y, x)."""

    id: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class ForegroundIntensity:
    """Intensities inside the annotations in the image's unit.

    Attributes:
        lower: Percentile 0.5, or the end of what is no outlier.
        upper: Percentile 99.5, or the end of what is no outlier.
        mean: Mean of the intensities clipped to these bounds.
        std: Standard deviation of the clipped intensities.
    """

    lower: float
    upper: float
    mean: float
    std: float


@dataclass(frozen=True)
class Fingerprint:
    """The grids of the cases, and what the annotated voxels of the labeled ones show; None without any.

    Attributes:
        cases: Grids of all cases.
        foreground: Intensities of the annotated voxels.
        extent: Extent of the annotated voxels along each LPS-oriented axis (z, y, x) in mm, the median over cases.
        single_pieces: Classes that are one piece in every annotation that has them.
    """

    cases: tuple[CaseFingerprint, ...]
    foreground: ForegroundIntensity | None
    extent: tuple[float, float, float] | None = None
    single_pieces: tuple[int, ...] = ()

    @property
    def median_size(self) -> tuple[float, float, float]:
        """The median size in voxels along each LPS-oriented axis (z, y, x)."""
        z, y, x = (float(value) for value in np.median([case.size for case in self.cases], axis=0))
        return z, y, x

    @property
    def median_spacing(self) -> tuple[float, float, float]:
        """The median spacing in mm along each LPS-oriented axis (z, y, x)."""
        z, y, x = (float(value) for value in np.median([case.spacing for case in self.cases], axis=0))
        return z, y, x


def case_fingerprint(case_id: str, geometry: Geometry) -> CaseFingerprint:
    """Return size and spacing of an image along the anatomical axes nearest to its own."""
    axes, _ = lps_axes(geometry.direction)
    size = triple(int(geometry.size[2 - axis]) for axis in axes)
    spacing = triple(float(geometry.spacing[2 - axis]) for axis in axes)
    return CaseFingerprint(case_id, size, spacing)


def fingerprint(
    cases: Sequence[JobCase], structures: Sequence[Structure], on_progress: Callable[[int, int], None]
) -> Fingerprint:
    """Read the header of every case and the annotated voxels of the labeled ones.

    Args:
        cases: Cases of the round.
        structures: Structures of the annotations.
        on_progress: Function that is called with the number of cases done and their total.

    Raises:
        UserError: There is no case, or a file cannot be used.
    """
    if not cases:
        raise UserError("There is no case to train on.", "Add images to the study first.")
    grids, samples = [], []
    for done, case in enumerate(cases, start=1):
        with naming_case(case.id):
            grids.append(case_fingerprint(case.id, image_geometry(Path(case.image))))
            if case.role == Role.LABELED:
                samples.append(_sample(case, structures))
        on_progress(done, len(cases))
    single_pieces = in_one_piece(sample.pieces for sample in samples)
    return Fingerprint(tuple(grids), _foreground_intensity(samples), _median_extent(samples), single_pieces)


@dataclass(frozen=True)
class _Sample:
    """Intensities of a labeled case: of the whole image (M,), and of annotated voxels (N,) with their classes (N,).

    The extent is that of its annotated voxels along each LPS-oriented axis (z, y, x) in mm; pieces say of each class
    whether it is one piece.
    """

    image: np.ndarray
    foreground: np.ndarray
    classes: np.ndarray
    extent: tuple[float, float, float]
    pieces: dict[int, bool]


def _sample(case: JobCase, structures: Sequence[Structure]) -> _Sample:
    if case.annotation is None:
        raise UserError(f"The labeled case {case.id} has no annotation.", "Annotate it, or change its role.")
    image = read_image(Path(case.image))
    annotation = read_annotation(Path(case.annotation), structures, image, case.structures)
    voxels, classes = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(annotation)
    inside = np.flatnonzero(classes)
    inside = sample_evenly(inside, _VOXELS_PER_CASE)
    whole = sample_evenly(voxels.reshape(-1), _VOXELS_PER_CASE)
    return _Sample(
        image=whole.astype(np.float64),
        foreground=voxels.flat[inside].astype(np.float64),
        classes=classes.flat[inside],
        extent=_annotated_extent(classes, Geometry.of(image)),
        pieces=pieces_of(classes),
    )


def _annotated_extent(classes: np.ndarray, geometry: Geometry) -> tuple[float, float, float]:
    """Return the extent of the annotated voxels (slices, rows, columns) along the anatomical axes in mm."""
    axes, _ = lps_axes(geometry.direction)
    boxes = find_objects((classes > 0).astype(np.uint8))
    sides = [part.stop - part.start for part in boxes[0]] if boxes else [0, 0, 0]
    return triple(float(sides[axis] * geometry.spacing[2 - axis]) for axis in axes)


def _median_extent(samples: Sequence[_Sample]) -> tuple[float, float, float] | None:
    return triple(np.median([sample.extent for sample in samples], axis=0).tolist()) if samples else None


def _foreground_intensity(samples: Sequence[_Sample]) -> ForegroundIntensity | None:
    if not samples:
        return None
    values = np.concatenate([sample.foreground for sample in samples])
    low, high = _plausible_range(values, np.concatenate([sample.classes for sample in samples]))
    lower, upper, mean, std = intensity_statistics(values.clip(low, high))
    if lower == upper:
        # One value inside of the annotations, such as that of saturated metal, says nothing of the other tissues.
        lower, upper, mean, std = intensity_statistics(np.concatenate([sample.image for sample in samples]))
    return ForegroundIntensity(lower, upper, mean, std)


def _plausible_range(values: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """Return the range (low, high) outside of which intensities are outliers in every structure.

    Metal may take more than half a percent of the foreground of a few labeled cases, which percentiles do not cut off.
    """
    lows, highs = [], []
    for label in np.unique(classes):
        low, high = np.percentile(values[classes == label], _CENTRAL_PERCENTILES)
        # A structure of nearly one value does not say what is far from it.
        margin = _OUTLIER_MARGIN * (high - low) if high > low else np.inf
        lows.append(low - margin)
        highs.append(high + margin)
    return min(lows), max(highs)
