"""Attention within each image and between the images of a batch (CAML, Gao et al., MICCAI 2023)."""

from __future__ import annotations

from torch import Tensor, nn

HEADS = 4
WIDENING = 4
DROPOUT = 0.5


class SampleAttention(nn.Module):
    """A transformer layer over the voxels of each image, and one over the images at each voxel; while training only.

    Args:
        channels: Number of channels of the maps, a multiple of 4.

    Examples:
        >>> import torch
        >>> attention, maps = SampleAttention(8), torch.rand(2, 8, 4, 4)
        >>> attention(maps).shape, torch.equal(attention.eval()(maps), maps)
        (torch.Size([2, 8, 4, 4]), True)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.within = nn.TransformerEncoderLayer(channels, HEADS, WIDENING * channels, DROPOUT)
        self.between = nn.TransformerEncoderLayer(channels, HEADS, WIDENING * channels, DROPOUT)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, L, *spatial)."""
        if not self.training:
            return maps
        voxels = self.within(maps.flatten(2).permute(2, 0, 1))
        images = self.between(voxels.transpose(0, 1))
        return images.transpose(1, 2).unflatten(2, maps.shape[2:])
