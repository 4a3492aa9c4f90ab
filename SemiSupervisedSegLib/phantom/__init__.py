"""Synthetic studies from several sites, for the demo and the tests."""

from .generate import generate_study
from .volume import phantom_volume

__all__ = ["generate_study", "phantom_volume"]
