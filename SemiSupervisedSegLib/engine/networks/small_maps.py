"""3D convolutions of small maps on processors, whose bfloat16 kernels compute some of them wrong."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# The columns of a map have as many numbers as its voxels have neighbours under the kernel.
_MOST_COLUMNS = 2**23


class SmallMapConv3d(nn.Conv3d):
    """A `nn.Conv3d` without the bfloat16 kernels of a processor where a side of the map is below two kernels.

    oneDNN 3.12 (PyTorch 2.13, AVX512-bf16) returns weight gradients of uninitialised memory where the padding of a
    map reaches further than its depth, such as two slices under a kernel of three, and can write past its buffers.
    Maps that small are the deepest of a network. They are multiplied as matrices, or where these would be large
    convolved in float32.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve maps (B, C, *spatial); the result has the type that autocast gives it elsewhere."""
        small = any(side < 2 * kernel for side, kernel in zip(input.shape[2:], self.kernel_size, strict=True))
        on_processor = input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not (small and on_processor) or max(self.kernel_size) == 1:
            return super().forward(input)
        if self._is_plain() and input.numel() * math.prod(self.kernel_size) <= _MOST_COLUMNS:
            return self._multiply(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(torch.get_autocast_dtype("cpu"))

    def _is_plain(self) -> bool:
        others = (*self.stride, *self.dilation, self.groups)
        return all(value == 1 for value in others) and self.padding_mode == "zeros" and isinstance(self.padding, tuple)

    def _multiply(self, maps: Tensor) -> Tensor:
        """Convolve by the product of all neighbourhoods with all kernels, in the type of autocast."""
        assert isinstance(self.padding, tuple)
        padding = [side for side in reversed(self.padding) for _ in range(2)]
        rows = functional.pad(maps.movedim(1, -1), [0, 0, *padding])
        for axis, kernel in enumerate(self.kernel_size, 1):
            rows = rows.unfold(axis, kernel, 1)
        # Voxels, then the kernel's, then channels, as the weights lie in channels-last order.
        rows = rows.movedim(4, -1)
        kernels = self.weight.movedim(1, -1).flatten(1)
        return functional.linear(rows.flatten(4), kernels, self.bias).movedim(-1, 1)
