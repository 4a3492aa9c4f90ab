"""Intensities of a case brought to zero mean and unit variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..study.model import Modality

# Percentiles of a large volume are taken over about this many of its voxels; more cost seconds and change nothing.
_PERCENTILE_SAMPLE = 2_000_000
_CLIP_PERCENTILES = (0.5, 99.5)
# Larger whole numbers are not all single-precision numbers.
_EXACT_IN_SINGLE_PRECISION = 2**24

# Noise has its lowest value in fewer voxels.
_PADDED_SHARE = 0.02

# Of float32; a smaller divisor would be zero.
_SMALLEST_DEVIATION = 2.0**-126


@dataclass(frozen=True)
class Normalization:
    """How intensities are normalised: MR by each volume's voxels, CT by the foreground of the whole study.

    CT numbers mean the same in every scan, so that CT follows nnU-Net (Isensee et al., Nature Methods 2021): clip to
    the study's foreground percentiles [0.5, 99.5], subtract the foreground mean, divide by its standard deviation.
    Unlike there, both are taken after clipping, so that metal does not decide the scale of all images.

    Attributes:
        modality: Modality of the images.
        lower: Lowest intensity after clipping; None for MR, whose unit differs from scan to scan, as the other three.
        upper: Highest intensity after clipping.
        mean: Mean of the clipped foreground.
        std: Standard deviation of the clipped foreground.
    """

    modality: Modality
    lower: float | None = None
    upper: float | None = None
    mean: float | None = None
    std: float | None = None

    def apply(self, voxels: np.ndarray) -> np.ndarray:
        """Return normalised float32 voxels of the same shape; a constant volume becomes zero.

        Args:
            voxels: Intensities of any real type; those that float32 cannot distinguish are computed in float64.
        """
        values = voxels.astype(np.float64 if _needs_double_precision(voxels) else np.float32)
        if self.lower is not None and self.upper is not None and self.mean is not None and self.std is not None:
            lower, upper, mean, std = self.lower, self.upper, self.mean, self.std
        else:
            lower, upper, mean, std = intensity_statistics(_body(values))
        np.clip(values, lower, upper, out=values)
        np.subtract(values, mean, out=values)
        np.divide(values, max(std, _SMALLEST_DEVIATION), out=values)
        return values.astype(np.float32, copy=False)


def sample_evenly(values: np.ndarray, count: int) -> np.ndarray:
    """Return about `count` values of a flat array (N,), evenly spaced, all of them when there are no more."""
    return values[:: max(1, values.size // count)]


def intensity_statistics(values: np.ndarray) -> tuple[float, float, float, float]:
    """Return the bounds of clipping, and mean and standard deviation of the clipped values.

    The bounds are the percentiles 0.5 and 99.5, or the extremes where these percentiles agree because nearly all values
    do. Of constant values the standard deviation is given as 1.

    Args:
        values: Intensities (N,), at least one; they are clipped in place.
    """
    bounds = np.percentile(sample_evenly(values, _PERCENTILE_SAMPLE), _CLIP_PERCENTILES)
    lower, upper = float(bounds[0]), float(bounds[1])
    if lower == upper:
        lower, upper = float(values.min()), float(values.max())
    np.clip(values, lower, upper, out=values)
    std = float(values.std(dtype=np.float64))
    # A constant differs from its mean by rounding only, which must not be blown up.
    return lower, upper, float(values.mean(dtype=np.float64)), std if upper > lower else 1.0


def _body(values: np.ndarray) -> np.ndarray:
    """Return a copy of the voxels (N,) inside of the body, or of all voxels where these do not differ."""
    # Zero is what scanners and skull stripping write outside of the body; other programs, a number below all others.
    body = values[values != 0]
    if body.size and body.min() < 0:
        outside = body == body.min()
        body = body[~outside] if outside.mean() > _PADDED_SHARE else body
    return body if body.size and body.min() < body.max() else values.flatten()


def _needs_double_precision(voxels: np.ndarray) -> bool:
    if voxels.dtype.kind == "f":
        return voxels.dtype.itemsize > 4
    if voxels.dtype.itemsize < 4:
        return False
    return max(abs(int(voxels.min())), abs(int(voxels.max()))) > _EXACT_IN_SINGLE_PRECISION
