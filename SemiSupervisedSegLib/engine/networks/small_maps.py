"""3D convolutions of small maps in float32 on processors, whose bfloat16 kernels compute some of them wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallMapConv3d(nn.Conv3d):
    """A `nn.Conv3d` that leaves bfloat16 autocast on a processor where a side of the map is below two kernels.

    oneDNN 3.12 (PyTorch 2.13, AVX512-bf16) returns weight gradients of uninitialised memory where the padding of a
    map reaches further than its depth, such as two slices under a kernel of three, and can write past its buffers.
    Maps that small are the deepest of a network and cost little in float32.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve maps (B, C, *spatial); the result has the type that autocast gives it elsewhere."""
        small = any(side < 2 * kernel for side, kernel in zip(input.shape[2:], self.kernel_size, strict=True))
        on_processor = input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not (small and on_processor) or max(self.kernel_size) == 1:
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(torch.get_autocast_dtype("cpu"))


def protect_small_maps(module: nn.Module) -> None:
    """Turn all 3D convolutions inside a module into `SmallMapConv3d`; their weights stay."""
    for convolution in module.modules():
        if type(convolution) is nn.Conv3d:
            convolution.__class__ = SmallMapConv3d
