"""Synthetic anatomy: chambers with a wall, and look-alikes that only their surroundings tell from the chambers.

Coordinates run from -1 to 1 over the field of view. A chamber is enclosed by a wall; its look-alikes have the same
intensity and size but no wall, and others look like wall but enclose nothing. So no intensity and no mirror image tells
them apart, only context does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BODY = 1
FIRST_ORGAN = 2
_PLACES = 400


@dataclass(frozen=True)
class Blob:
    """A rotated ellipsoid: centre and radii along x, y, z; its wall reaches from 1 to `wall` radii, 1 for none."""

    centre: np.ndarray
    radii: np.ndarray
    angle: float
    wall: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return how many radii the points (3, Z, Y, X) are away from the centre (Z, Y, X)."""
        x, y, z = points - self.centre[:, None, None, None]
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        along, across = cosine * x + sine * y, cosine * y - sine * x
        return np.sqrt((along / self.radii[0]) ** 2 + (across / self.radii[1]) ** 2 + (z / self.radii[2]) ** 2)


@dataclass(frozen=True)
class Anatomy:
    """Tissues and classes of one case on its grid (Z, Y, X).

    Tissue 0 is air, 1 body, then chamber and wall of each group in turn; look-alikes have the tissue of what they
    resemble, but class 0.
    """

    tissue: np.ndarray
    classes: np.ndarray


def draw_anatomy(
    rng: np.random.Generator, points: np.ndarray, *, structures: int, difficulty: float, thick: bool
) -> Anatomy:
    """Draw the anatomy of one case at the points (3, Z, Y, X), x, y, z in -1..1; `thick` for stacks of few slices."""
    groups = (structures + 1) // 2
    points = _bend(rng, points, 0.05 + 0.05 * difficulty)
    body_radii = np.array([rng.uniform(0.85, 0.97), rng.uniform(0.8, 0.95), 1.6])
    tissue = (Blob(np.zeros(3), body_radii, 0.0, 1.0).distance(points) < 1).astype(np.uint8) * BODY
    classes = np.zeros_like(tissue)
    decoys = 1 + round(2 * difficulty)
    blobs = _place(rng, groups, decoys, thick)
    for number, blob in enumerate(blobs):
        group, is_target = number % groups, number < groups
        chamber, wall = FIRST_ORGAN + 2 * group, FIRST_ORGAN + 2 * group + 1
        distance = blob.distance(points)
        core, shell = distance < 1, (distance >= 1) & (distance < blob.wall)
        # Every other look-alike is solid wall, so that not each piece of wall belongs to a chamber.
        tissue[core] = chamber if is_target or (number // groups) % 2 else wall
        if is_target:
            tissue[shell] = wall
            classes[core] = 2 * group + 1
            # With an odd number of structures the last wall is only context.
            classes[shell] = 2 * group + 2 if 2 * group + 2 <= structures else 0
    return Anatomy(tissue, classes)


def smooth_field(rng: np.random.Generator, shape: tuple[int, ...], knots: int = 4) -> np.ndarray:
    """Return a smooth random field of `shape` with a standard deviation of about 1."""
    counts = [min(knots, max(length, 1)) for length in shape]
    coarse = rng.standard_normal(counts)
    axes = [np.linspace(0, count - 1, length) for count, length in zip(counts, shape, strict=True)]
    return ndimage.map_coordinates(coarse, np.meshgrid(*axes, indexing="ij"), order=3, mode="nearest")


def _bend(rng: np.random.Generator, points: np.ndarray, amount: float) -> np.ndarray:
    shape = points.shape[1:]
    return points + amount * np.stack([smooth_field(rng, shape) for _ in range(3)])


def _place(rng: np.random.Generator, groups: int, decoys: int, thick: bool) -> list[Blob]:
    """Place targets, then the look-alikes of all groups; none touches another as long as there is room."""
    count = groups * (1 + decoys)
    size = 0.23 * min(1.0, np.sqrt(4 / count))
    blobs: list[Blob] = []
    for number in range(count):
        scale = size * rng.uniform(0.75, 1.3)
        radii = scale * np.array([rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.25), rng.uniform(0.9, 1.4)])
        if thick:
            radii[2] = rng.uniform(0.6, 1.1)
        wall = rng.uniform(1.3, 1.6) if number < groups else 1.0
        blobs.append(Blob(_free_place(rng, blobs, radii, wall, thick), radii, rng.uniform(0, np.pi), wall))
    return blobs


def _free_place(rng: np.random.Generator, blobs: list[Blob], radii: np.ndarray, wall: float, thick: bool) -> np.ndarray:
    """Return the first random place in the body that touches no other blob, else the one with the most room."""
    best, most_room = np.zeros(3), -np.inf
    reach = wall * radii[:2].max()
    for _ in range(_PLACES):
        angle, radius = rng.uniform(0, 2 * np.pi), max(0.82 - reach, 0.1) * np.sqrt(rng.uniform())
        height = rng.uniform(-0.15, 0.15) if thick else rng.uniform(-0.4, 0.4)
        centre = np.array([radius * np.cos(angle), radius * np.sin(angle), height])
        # In a stack of thick slices blobs reach through all of it, so only the distance in the plane counts.
        axes = 2 if thick else 3
        gaps = [np.linalg.norm((centre - b.centre)[:axes]) - b.wall * b.radii[:axes].max() - reach for b in blobs]
        room = min(gaps, default=1.0)
        if room > most_room:
            best, most_room = centre, room
        if room > 0.02:
            break
    return best
