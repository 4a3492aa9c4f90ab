"""A second way from the decoder's last map to logits, which relates all places of an image (AHDC).

J. Chen et al., IEEE Transactions on Medical Imaging 41, 2022.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .base import SegmentationNetwork
from .dropout import Dropout
from .layers import BATCH_NORM, CONVOLUTION, convolution_like

PATCH = 8
"""Side of the patches between which attention is computed."""
BLOCKS = 2
DROPOUT = 0.5


class GlobalBranch(nn.Sequential):
    """Dropout, two blocks of attention between patches, and a classifier like that of the network, as released.

    It reads the input of the classifier (B, L, *spatial) and returns logits (B, C, *spatial).

    Args:
        network: Network beside whose classifier it stands.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        classifier = network.classifier()
        channels, dimensions = classifier.in_channels, len(classifier.kernel_size)
        blocks = [PatchAttention(dimensions, channels) for _ in range(BLOCKS)]
        super().__init__(Dropout(DROPOUT), *blocks, convolution_like(classifier, channels, classifier.out_channels))


class PatchAttention(nn.Module):
    """Attention between the patches of 8 voxels a side of each image, then layer normalisation and ReLU.

    Queries, keys and values are 1x1 convolutions with batch normalisation and ReLU; the place of a patch is added to
    queries and keys. The softmax is over the keys, in the released code over the queries.

    Args:
        dimensions: Spatial dimensions of the maps, 2 or 3.
        channels: Channels of the maps.
    """

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        convolution, norm = CONVOLUTION[dimensions], BATCH_NORM[dimensions]
        self.query, self.key, self.value = (
            nn.Sequential(convolution(channels, channels, 1), norm(channels), nn.ReLU(inplace=True)) for _ in range(3)
        )
        self.normalization = nn.GroupNorm(1, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, L, *spatial)."""
        query, key, value = (to_patches(layer(maps)) for layer in (self.query, self.key, self.value))
        places = place_encoding(query)
        # Written out: the gradient of PyTorch's fused attention is not the same twice on graphics cards.
        similarities = ((query + places) / math.sqrt(query.shape[2])) @ (key + places).mT
        return self.normalization(from_patches(similarities.softmax(dim=2).to(value) @ value, maps)).relu()


def to_patches(maps: Tensor) -> Tensor:
    """Return the patches (B, N, L * 8^D) of maps (B, L, *spatial), beyond whose ends zeros are added.

    Examples:
        >>> maps = torch.arange(2.0 * 12 * 16).view(1, 2, 12, 16)
        >>> to_patches(maps).shape, torch.equal(from_patches(to_patches(maps), maps), maps)
        (torch.Size([1, 4, 128]), True)
    """
    size = maps.shape[2:]
    maps = functional.pad(maps, [each for side in reversed(size) for each in (0, -side % PATCH)])
    for axis in range(2, 2 + len(size)):
        maps = maps.unflatten(2 * axis - 2, (-1, PATCH))
    axes = range(2, maps.dim())
    return maps.permute(0, *axes[::2], 1, *axes[1::2]).flatten(1 + len(size)).flatten(1, len(size))


def from_patches(patches: Tensor, like: Tensor) -> Tensor:
    """Return the maps (B, L, *spatial) that patches (B, N, L * 8^D) were made from, of the size of other maps."""
    size, dimensions = like.shape[2:], like.dim() - 2
    counts = [math.ceil(side / PATCH) for side in size]
    maps = patches.unflatten(2, (like.shape[1], *(PATCH,) * dimensions)).unflatten(1, counts)
    pairs = [axis for each in range(dimensions) for axis in (1 + each, 2 + dimensions + each)]
    maps = maps.permute(0, 1 + dimensions, *pairs)
    for axis in range(2, 2 + dimensions):
        maps = maps.flatten(axis, axis + 1)
    return maps[(..., *(slice(side) for side in size))]


def place_encoding(patches: Tensor) -> Tensor:
    """Return sines and cosines (N, L) that tell the places of patches (B, N, L) (Vaswani et al., NIPS 2017)."""
    _, count, length = patches.shape
    exponents = torch.arange(length, device=patches.device, dtype=torch.float32).div(2, rounding_mode="floor") * 2
    angles = torch.arange(count, device=patches.device).unsqueeze(1) / 10000 ** (exponents / length)
    even = torch.arange(length, device=patches.device) % 2 == 0
    return torch.where(even, angles.sin(), angles.cos()).to(patches.dtype)
