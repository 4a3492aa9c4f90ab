"""What a study's cases have in common: their sizes, spacings and intensities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..jobs.spec import JobCase
from ..study.annotations import read_annotation
from ..study.errors import UserError
from ..study.images import Geometry, image_geometry, read_image
from ..study.model import Role, Structure
from .normalization import CLIP_PERCENTILES, sample_evenly
from .orientation import lps_axes, triple

# Voxels of one case that enter the statistics; so a large case neither outweighs the others nor fills the memory.
_VOXELS_PER_CASE = 100_000


@dataclass(frozen=True)
class CaseFingerprint:
    """Size in voxels and spacing in mm of one LPS-oriented case (z, y, x)."""

    id: str
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class ForegroundIntensity:
    """Intensities inside the annotations: percentiles 0.5 and 99.5, mean, standard deviation, in the image's unit."""

    lower: float
    upper: float
    mean: float
    std: float


@dataclass(frozen=True)
class Fingerprint:
    """The cases, and the intensities and number of the annotated voxels of the labeled ones."""

    cases: tuple[CaseFingerprint, ...]
    foreground: ForegroundIntensity | None
    foreground_voxels: int

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
    """Look at the header of every case and at the annotated voxels of the labeled ones.

    Args:
        cases: those that are trained on; validation cases do not belong here.
        structures: of the annotations.
        on_progress: called with the number of cases done and their total.

    Raises:
        UserError: there is no case, or a file cannot be used.
    """
    if not cases:
        raise UserError("There is no case to train on.", "Add images to the study first.")
    seen, samples, foreground_voxels = [], [], 0
    for done, case in enumerate(cases, start=1):
        seen.append(case_fingerprint(case.id, image_geometry(Path(case.image))))
        if case.role == Role.LABELED:
            inside = _annotated_voxels(case, structures)
            foreground_voxels += inside.size
            samples.append(sample_evenly(inside, _VOXELS_PER_CASE).astype(np.float64))
        on_progress(done, len(cases))
    return Fingerprint(tuple(seen), _intensity(samples), foreground_voxels)


def _annotated_voxels(case: JobCase, structures: Sequence[Structure]) -> np.ndarray:
    if case.annotation is None:
        raise UserError(f"The labeled case {case.id} has no annotation.", "Annotate it, or change its role.")
    image = read_image(Path(case.image))
    annotation = read_annotation(Path(case.annotation), structures, image, case.structures)
    return sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(annotation) > 0]


def _intensity(samples: Sequence[np.ndarray]) -> ForegroundIntensity | None:
    values = np.concatenate(samples) if samples else np.empty(0)
    if values.size == 0:
        return None
    lower, upper = np.percentile(values, CLIP_PERCENTILES)
    return ForegroundIntensity(float(lower), float(upper), float(values.mean()), float(values.std()))
