"""Semi-supervised segmentation of medical images, for 3D Slicer and for the command line."""

from __future__ import annotations

__version__ = "0.1.0"
