"""Layers of PyTorch that processors compute slowly or wrong, and what takes their place."""

from __future__ import annotations

from torch import nn

from .batch_norm import FoldedBatchNorm2d, FoldedBatchNorm3d
from .small_maps import SmallMapConv3d
from .transposed import SummedBiasConvTranspose3d

_REPLACEMENTS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: FoldedBatchNorm2d,
    nn.BatchNorm3d: FoldedBatchNorm3d,
    nn.Conv3d: SmallMapConv3d,
    nn.ConvTranspose3d: SummedBiasConvTranspose3d,
}


def suit_processors(module: nn.Module) -> None:
    """Replace such layers inside a module; their weights stay, and on other devices they compute as before."""
    for layer in module.modules():
        layer.__class__ = _REPLACEMENTS.get(type(layer), type(layer))
