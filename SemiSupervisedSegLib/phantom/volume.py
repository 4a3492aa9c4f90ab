"""One synthetic case: an image and its class map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..study.errors import UserError
from ..study.model import Modality
from .anatomy import Anatomy, draw_anatomy, smooth_field
from .sites import SiteLook, draw_site

MAX_STRUCTURES = 8
_THICK = 2.0


@dataclass(frozen=True)
class Recipe:
    """What all cases of a phantom study share; size in voxels and spacing in mm are of the local site, x, y, z."""

    size: tuple[int, int, int] = (64, 64, 8)
    spacing: tuple[float, float, float] | None = None
    structures: int = 2
    difficulty: float = 0.5
    modality: Modality = Modality.MR

    def __post_init__(self) -> None:
        if not 1 <= self.structures <= MAX_STRUCTURES:
            raise UserError(f"A phantom has 1 to {MAX_STRUCTURES} structures, not {self.structures}.")
        if not 0 <= self.difficulty <= 1:
            raise UserError(f"The difficulty of a phantom lies between 0 and 1, not at {self.difficulty}.")
        if min(self.size) < 1:
            raise UserError("A phantom has at least one voxel along every axis.")

    @property
    def nominal_spacing(self) -> tuple[float, float, float]:
        """The requested spacing, else 1.5 mm in the plane, and 8 mm between the slices of a flat volume."""
        flat = 2 * self.size[2] < min(self.size[:2])
        return self.spacing or (1.5, 1.5, 8.0 if flat else 1.5)

    @property
    def is_thick(self) -> bool:
        """Whether slices are so thick that organs reach through most of them."""
        return self.nominal_spacing[2] > _THICK * self.nominal_spacing[0]


def phantom_volume(
    *,
    size: tuple[int, int, int] = (64, 64, 8),
    spacing: tuple[float, float, float] | None = None,
    structures: int = 2,
    difficulty: float = 0.5,
    modality: Modality = Modality.MR,
    site: int = 0,
    seed: int = 0,
    oblique: bool = True,
) -> tuple[sitk.Image, sitk.Image]:
    """Return an int16 image and its uint8 class map (0..structures); the same arguments give the same case."""
    recipe = Recipe(size, spacing, structures, difficulty, Modality(modality))
    look = draw_site(site, difficulty=difficulty, seed=seed, oblique=oblique)
    return render_case(np.random.default_rng([seed, site]), recipe, look)


def render_case(rng: np.random.Generator, recipe: Recipe, look: SiteLook) -> tuple[sitk.Image, sitk.Image]:
    """Draw one case with the appearance of a site: int16 image and uint8 class map."""
    spacing = np.array(recipe.nominal_spacing) * [look.in_plane, look.in_plane, look.through_plane]
    extent = np.array(recipe.size) * recipe.nominal_spacing
    size = np.maximum(np.rint(extent / spacing), 1).astype(int)
    anatomy = draw_anatomy(
        rng,
        _points(size, spacing, extent),
        structures=recipe.structures,
        difficulty=recipe.difficulty,
        thick=recipe.is_thick,
    )
    values = _expose(rng, anatomy, recipe, look)
    return _volume(values, spacing, look), _volume(anatomy.classes, spacing, look)


def _points(size: np.ndarray, spacing: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Return the positions of all voxels (3, Z, Y, X), x, y, z in -1..1 over the nominal field of view."""
    x, y, z = (
        (np.arange(n) - (n - 1) / 2) * step / (length / 2)
        for n, step, length in zip(size, spacing, extent, strict=True)
    )
    grid_z, grid_y, grid_x = np.meshgrid(z, y, x, indexing="ij")
    return np.stack([grid_x, grid_y, grid_z])


def _expose(rng: np.random.Generator, anatomy: Anatomy, recipe: Recipe, look: SiteLook) -> np.ndarray:
    """Return intensities (Z, Y, X) int16 of the tissues as the site's scanner would show them."""
    shape = anatomy.tissue.shape
    signal = _tissue_signals(rng, recipe)[anatomy.tissue]
    texture = (0.03 + 0.06 * recipe.difficulty) * smooth_field(rng, shape, knots=12)
    signal = np.where(anatomy.tissue > 0, signal + texture, signal).clip(0, None)
    # The contrast of a case varies around that of its site, which a few labeled cases cannot cover.
    gamma = look.gamma * np.exp(rng.normal(0, 0.15 + 0.2 * recipe.difficulty))
    signal = ndimage.gaussian_filter(signal**gamma, [0.3 * look.blur, look.blur, look.blur])
    noise = look.noise * rng.standard_normal((2, *shape))
    if recipe.modality == Modality.CT:
        return np.rint(-1000 + 1040 * signal.clip(0, 1.3) + 400 * noise[0]).clip(-1024, 3071).astype(np.int16)
    signal = signal * np.exp(look.bias * smooth_field(rng, shape, knots=3))
    gain = 400 * look.gain * np.exp(rng.normal(0, 0.1))
    return np.rint(gain * np.hypot(signal + noise[0], noise[1])).clip(0, 32767).astype(np.int16)


def _tissue_signals(rng: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Draw the signal by tissue of one case: air 0, body in the middle, chambers above, walls below."""
    contrast = 1 - 0.5 * recipe.difficulty
    body = 0.6 + rng.normal(0, 0.03)
    signals = [0.0, body]
    for group in range((recipe.structures + 1) // 2):
        strength = contrast * (1 - 0.12 * group)
        signals.append(body + strength * rng.uniform(0.25, 0.5))
        signals.append(body - strength * rng.uniform(0.2, 0.45))
    return np.array(signals)


def _volume(values: np.ndarray, spacing: np.ndarray, look: SiteLook) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([float(step) for step in spacing])
    image.SetDirection(look.rotation.ravel().tolist())
    centre = look.rotation @ (np.array(image.GetSize()) * spacing / 2)
    image.SetOrigin((-centre).tolist())
    # Both filters keep every voxel where it is in space.
    return sitk.Flip(sitk.PermuteAxes(image, look.axes), look.flipped)
