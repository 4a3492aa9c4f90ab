"""Exact shortcuts for feature maps that would be upsampled to image size.

A bottleneck map of 256 channels upsampled to 96x96x96 takes 0.9 GB per image. Sums over the upsampled
map, its dot products with a vector and its norm can all be had from the coarse map, exactly. Interpolation
is bilinear or trilinear with ``align_corners=False`` throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

_MODES = {2: "bilinear", 3: "trilinear"}


def upsample(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate feature maps linearly, as prototypes need them (CPCL equation 3).

    Args:
        maps: Feature maps (B, L, *coarse).
        size: Spatial size of the result in voxels.

    Returns:
        Maps (B, L, *size).

    Examples:
        >>> upsample(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))
        tensor([[[[0., 1., 3., 4.]]]])
    """
    if tuple(maps.shape[2:]) == tuple(size):
        return maps
    return functional.interpolate(maps, size=tuple(size), mode=_MODES[maps.dim() - 2], align_corners=False)


def adjoint_upsample(weights: Tensor, size: Sequence[int]) -> Tensor:
    """Apply the transpose of :func:`upsample` to weights.

    sum_v w(v) Up(h)(v) = sum_u (Up^T w)(u) h(u), so masked average pooling of an upsampled map (CPCL equation 3) equals
    pooling of the coarse map with these weights. Total mass is preserved.

    Args:
        weights: Weights (B, C, *fine).
        size: Spatial size of the coarse map in voxels.

    Returns:
        Weights (B, C, *size).

    Examples:
        >>> adjoint_upsample(torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]]), (1, 2))
        tensor([[[[1.7500, 0.2500]]]])
    """
    fine = list(weights.shape[2:])
    if fine == list(size):
        return weights
    backward = {
        2: torch.ops.aten.upsample_bilinear2d_backward,
        3: torch.ops.aten.upsample_trilinear3d_backward,
    }[len(fine)]
    return backward(weights, fine, [*weights.shape[:2], *size], False)


def _axis_rule(coarse: int, fine: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return lower and upper neighbours and their weights for each fine position along one axis."""
    position = ((torch.arange(fine, device=like.device, dtype=like.dtype) + 0.5) * (coarse / fine) - 0.5).clamp(min=0)
    lower = position.long().clamp(max=coarse - 1)
    upper = (lower + 1).clamp(max=coarse - 1)
    # Past the last coarse centre both neighbours are the same point.
    weight = torch.where(upper > lower, position - lower, torch.zeros_like(position))
    return lower, upper, 1 - weight, weight


class _NeighbourDots(torch.autograd.Function):
    """<x_u, x_(u+o)> of the voxels u of a map that have u + o, for the offsets o of `_half_of_the_offsets`.

    A product of two views of the map needs no copy of it, but their gradients would be copied into maps of zeros; here
    they are added up in place.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(features)
        offsets = _half_of_the_offsets(features.dim() - 2)
        return tuple((_inside(features, o) * _inside(features, _opposite(o))).sum(dim=1) for o in offsets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (features,) = ctx.saved_tensors
        total = torch.zeros_like(features)
        for offset, gradient in zip(_half_of_the_offsets(features.dim() - 2), gradients, strict=True):
            for side in (offset, _opposite(offset)):
                _inside(total, side).addcmul_(gradient.unsqueeze(1), _inside(features, _opposite(side)))
        return total


def _neighbour_dots(features: Tensor) -> list[Tensor]:
    """Return <x_u, x_(u+o)> of each voxel u, (B, *coarse), for all offsets o of -1, 0, 1; 0 where u + o is outside."""
    offsets = _half_of_the_offsets(features.dim() - 2)
    dots = dict(zip(offsets, _NeighbourDots.apply(features), strict=True))
    answers = []
    for offset in itertools.product((-1, 0, 1), repeat=features.dim() - 2):
        margins = [margin for step in reversed(offset) for margin in (max(-step, 0), max(step, 0))]
        answers.append(functional.pad(dots[offset if offset in dots else _opposite(offset)], margins))
    return answers


def _half_of_the_offsets(axes: int) -> list[tuple[int, ...]]:
    """Return the larger of each offset of -1, 0, 1 along the axes and its opposite: both have the same dot products."""
    return [o for o in itertools.product((-1, 0, 1), repeat=axes) if o >= _opposite(o)]


def _opposite(offset: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-step for step in offset)


def _inside(features: Tensor, offset: tuple[int, ...]) -> Tensor:
    """Return the part of a map whose voxels still have a voxel at an offset."""
    sizes = features.shape[2:]
    for axis, (step, size) in enumerate(zip(offset, sizes, strict=True), 2):
        features = features.narrow(axis, max(-step, 0), size - abs(step))
    return features


def upsampled_squared_norm(features: Tensor, size: Sequence[int]) -> Tensor:
    """Return the squared L2 norm over channels of the upsampled map, (B, *size), without building it.

    Along one axis |a x + b y|^2 = a^2 |x|^2 + b^2 |y|^2 + 2 a b <x, y>. Applied axis by axis this needs only
    the dot products of each coarse voxel with its 3^n neighbours. Prototype similarities are divided by it (CPCL
    equation 5).

    Args:
        features: Feature maps (B, L, *coarse).
        size: Spatial size of the upsampled map in voxels.

    Examples:
        >>> upsampled_squared_norm(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))
        tensor([[[ 0.,  1.,  9., 16.]]])
    """
    coarse = tuple(features.shape[2:])
    if coarse == tuple(size):
        return features.square().sum(dim=1)
    axes = range(len(coarse))
    norms = torch.stack(_neighbour_dots(features)).reshape(*(3,) * len(coarse), features.shape[0], *coarse)
    for axis in reversed(axes):
        lower, upper, a, b = _axis_rule(coarse[axis], size[axis], features)
        before, same, after = norms.unbind(dim=axis)
        # One offset axis is gone per round: the spatial axis sits behind `axis` offsets and the batch.
        spatial = axis + 1 + axis
        shape = [1] * same.dim()
        shape[spatial] = -1
        a, b = a.reshape(shape), b.reshape(shape)
        at = same.index_select
        cross = after.index_select(spatial, lower) + before.index_select(spatial, upper)
        norms = a * a * at(spatial, lower) + b * b * at(spatial, upper) + a * b * cross
    return norms
