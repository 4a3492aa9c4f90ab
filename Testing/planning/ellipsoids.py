"""Class maps for tests."""

from __future__ import annotations

import numpy as np


def ellipsoid(shape: tuple[int, int, int], structures: int) -> np.ndarray:
    """Return nested ellipsoids with the classes 1 to `structures`, the last one inside."""
    axes = [np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((z / 0.9) ** 2 + ((y - 0.1) / 0.8) ** 2 + ((x + 0.05) / 0.7) ** 2)
    return sum((radius < 1 - 0.9 * inner / structures).astype(np.uint8) for inner in range(structures))
