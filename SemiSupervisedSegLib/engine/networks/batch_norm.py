"""Batch normalisation of maps with few channels, whose statistics PyTorch sums slowly on processors."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

# With fewer channels than a vector register holds, the kernel of channels-last maps sums one channel after another.
_COLUMNS = 128
_FEW_CHANNELS = 32
# Below it the calls take longer than the sums.
_LARGE = 2**18


class _Normalization(torch.autograd.Function):
    """Normalises maps by the statistics of the batch (Ioffe and Szegedy, ICML 2015, algorithm 1), and returns these.

    Neighbouring voxels of channels-last maps are read as further channels. The mean of each channel is that of its
    columns, and its variance is the mean of theirs plus the variance of their means.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, maps: Tensor, weight: Tensor, bias: Tensor, eps: float, fold: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        columns = _columns(maps, fold)
        # With statistics to update in float32, those of half precision maps are summed and returned in float32.
        ignored = maps.new_zeros(columns.shape[1], dtype=weight.dtype)
        statistics = torch.batch_norm_update_stats(columns, ignored, ignored.clone(), 0.0)
        means, variances = (values.view(fold, -1) for values in statistics)
        mean = means.mean(dim=0)
        variance = (variances + (means - mean).square_()).mean(dim=0)
        scale, shift, mean_of_all, variance_of_all = (each.repeat(fold) for each in (weight, bias, mean, variance))
        normalized, unused = torch.empty_like(maps), weight.new_empty(0)
        torch.ops.aten.native_batch_norm.out(
            columns,
            scale,
            shift,
            mean_of_all,
            variance_of_all,
            False,
            0.0,
            eps,
            out=_columns(normalized, fold),
            save_mean=unused,
            save_invstd=unused.clone(),
        )
        ctx.save_for_backward(maps, weight, mean, (variance + eps).rsqrt_())
        ctx.eps = eps  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(mean, variance)
        return normalized, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, inverse_deviation = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            gradient, maps, weight, None, None, mean, inverse_deviation, True, ctx.eps, ctx.needs_input_grad[:3]
        )
        return (*gradients, None, None)


class _FoldedBatchNorm:
    """What both classes share; the layers beside it in the list of their bases are those of PyTorch."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise maps (B, C, *spatial) as the layer of PyTorch does, but for rounding."""
        layer = cast(nn.BatchNorm2d, self)
        fold = _COLUMNS // layer.num_features
        if not (layer.training and layer.affine and layer.momentum is not None and _is_slow(input, fold)):
            return super().forward(input)  # type: ignore[misc]
        maps, mean, variance = _Normalization.apply(input, layer.weight, layer.bias, layer.eps, fold)
        if layer.track_running_stats:
            _remember(layer, mean, variance, input.numel() // input.shape[1])
        return maps


class FoldedBatchNorm2d(_FoldedBatchNorm, nn.BatchNorm2d):
    """A `nn.BatchNorm2d` that on processors takes half the time for large maps of few channels."""


class FoldedBatchNorm3d(_FoldedBatchNorm, nn.BatchNorm3d):
    """A `nn.BatchNorm3d` that on processors takes half the time for large maps of few channels."""


def _columns(maps: Tensor, fold: int) -> Tensor:
    """Return a view (1, fold * C, rows, 1) of channels-last maps (B, C, *spatial)."""
    return maps.movedim(1, -1).view(1, -1, 1, fold * maps.shape[1]).permute(0, 3, 1, 2)


def _is_slow(maps: Tensor, fold: int) -> bool:
    order = torch.channels_last if maps.dim() == 4 else torch.channels_last_3d
    channels = maps.shape[1]
    fits = maps.numel() >= _LARGE and channels <= _FEW_CHANNELS and maps.numel() % (fold * channels) == 0
    return maps.device.type == "cpu" and fits and maps.is_contiguous(memory_format=order)


@torch.no_grad()
def _remember(layer: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Average the statistics (C,) of a batch of `count` voxels into those that the layer keeps."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.num_batches_tracked is not None
    assert layer.momentum is not None
    layer.num_batches_tracked.add_(1)
    layer.running_mean.lerp_(mean, layer.momentum)
    layer.running_var.lerp_(variance * (count / (count - 1)), layer.momentum)
