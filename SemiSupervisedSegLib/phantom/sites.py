"""Appearance of the images of a synthetic site: contrast, noise, bias field, blur, spacing and orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class SiteLook:
    """The scanner and protocol of a site.

    `gamma` bends the contrast, `noise` and `bias` are relative to the body's range, `blur` is in voxels, the spacing
    factors multiply the nominal spacing, `rotation` is a 3x3 matrix of direction cosines, `axes` the order in which the
    stored axes follow x, y, z of the scan, and `flipped` which of them run backwards.
    """

    name: str
    gain: float
    gamma: float
    noise: float
    bias: float
    blur: float
    in_plane: float
    through_plane: float
    rotation: np.ndarray
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]


def draw_site(index: int, *, difficulty: float, seed: int, oblique: bool) -> SiteLook:
    """Draw the appearance of site `index` (0 is local); `difficulty` 0..1 sets how far external sites differ."""
    rng = np.random.default_rng([seed, 1000 + index])
    shift = (0.4 + 0.6 * difficulty) * (0.0 if index == 0 else 1.0)
    side = 1 if index % 2 else -1
    return SiteLook(
        name="local" if index == 0 else f"external-{index}",
        gain=float(np.exp(rng.normal(0, 0.5))),
        gamma=float(np.exp(side * shift * rng.uniform(0.3, 0.6))),
        noise=0.02 + 0.08 * difficulty * (1 + shift * rng.uniform(0, 0.6)),
        bias=0.05 + 0.25 * difficulty * (1 + shift * rng.uniform(0, 1)),
        blur=0.4 + shift * rng.uniform(0, 0.6),
        in_plane=float(np.exp(side * shift * rng.uniform(0.1, 0.25))),
        through_plane=float(np.exp(-side * shift * rng.uniform(0.1, 0.3))),
        rotation=_rotation(rng, index) if oblique else np.eye(3),
        axes=_AXES[index % len(_AXES)] if oblique else (0, 1, 2),
        flipped=_FLIPS[index % len(_FLIPS)] if oblique else (False, False, False),
    )


_AXES = ((0, 1, 2), (2, 0, 1), (1, 0, 2))
_FLIPS = ((False, False, False), (False, True, False), (True, False, True))


def _rotation(rng: np.random.Generator, index: int) -> np.ndarray:
    """Draw a small rotation for the local site, a larger one for external sites; axes keep their anatomical names."""
    angles = rng.uniform(5, 12 if index == 0 else 20, size=3) * rng.choice([-1, 1], size=3)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
