"""Intensities of a case brought to zero mean and unit variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..study.model import Modality

# Percentiles of a large volume are taken over about this many of its voxels; more cost seconds and change nothing.
_PERCENTILE_SAMPLE = 2_000_000
CLIP_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Normalization:
    """How intensities are normalised: MR by each volume's own voxels, CT by the foreground of the whole study.

    CT numbers mean the same in every scan, so that CT follows nnU-Net (Isensee et al., Nature Methods 2021): clip to
    the study's foreground percentiles [0.5, 99.5], subtract the foreground mean, divide by its standard deviation.
    The four values are None for MR, whose unit differs from scan to scan.
    """

    modality: Modality
    lower: float | None = None
    upper: float | None = None
    mean: float | None = None
    std: float | None = None

    def apply(self, voxels: np.ndarray) -> np.ndarray:
        """Return normalised float32 voxels of the same shape; a constant volume becomes zero."""
        values = voxels.astype(np.float32)
        lower, upper, mean, std = self.lower, self.upper, self.mean, self.std
        if lower is None or upper is None or mean is None or std is None:
            lower, upper, mean, std = _own_statistics(values)
        np.clip(values, lower, upper, out=values)
        values -= np.float32(mean)
        values /= np.float32(max(std, 1e-8))
        return values


def sample_evenly(values: np.ndarray, count: int) -> np.ndarray:
    """Return about `count` values of a flat array (N,), evenly spaced, all of them when there are no more."""
    return values[:: max(1, values.size // count)]


def _own_statistics(values: np.ndarray) -> tuple[float, float, float, float]:
    # Zero is what scanners and skull stripping write outside of the body.
    body = values[values != 0]
    if body.size == 0:
        return 0.0, 0.0, 0.0, 1.0
    lower, upper = np.percentile(sample_evenly(body, _PERCENTILE_SAMPLE), CLIP_PERCENTILES)
    np.clip(body, lower, upper, out=body)
    std = float(body.std(dtype=np.float64))
    # A constant body differs from its own mean by rounding only, which must not be blown up.
    return float(lower), float(upper), float(body.mean(dtype=np.float64)), std if upper > lower else 1.0
