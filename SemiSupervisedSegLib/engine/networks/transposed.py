"""Transposed convolutions in 3D whose bias costs no time on processors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional


class _BiasGradient(torch.autograd.Function):
    """Returns maps (B, C, *spatial) that contain a bias (C,), and gives the bias its gradient."""

    @staticmethod
    def forward(ctx: FunctionCtx, maps: Tensor, bias: Tensor) -> Tensor:
        ctx.mark_dirty(maps)
        return maps

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.sum(dim=(0, *range(2, gradient.dim())))


class SummedBiasConvTranspose3d(nn.ConvTranspose3d):
    """A `nn.ConvTranspose3d` that on a processor sums the gradient of its bias itself.

    oneDNN 3.12 (PyTorch 2.13) takes three times as long for all gradients of a transposed convolution in channels-last
    order if that of the bias is among them.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve maps (B, C, *spatial) as the layer of PyTorch does."""
        if input.device.type != "cpu" or self.bias is None or output_size is not None or isinstance(self.padding, str):
            return super().forward(input, output_size)
        # Detached, the bias is added in the same pass and asks the kernel for no gradient.
        maps = functional.conv_transpose3d(
            input,
            self.weight,
            self.bias.detach(),
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )
        return _BiasGradient.apply(maps, self.bias)
