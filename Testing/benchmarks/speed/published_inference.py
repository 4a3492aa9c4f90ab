"""Sliding-window inference as public benchmark scripts do it, written plainly, to compare with.

One window after another goes through the network in float32 and contiguous memory; its softmax is moved to the CPU and
added to a numpy map, and so is a count. Every map of the output has its own pass over the image, as scripts that each
make one of them have. Slices of a 2D network are its windows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from SemiSupervisedSegLib.engine.inference.prototype_classifiers import COSINE_SCALE

Window = tuple[slice, ...]


def segment(
    network: nn.Module, image: np.ndarray, patch: Sequence[int], stride: Sequence[int], classes: int, device: str
) -> np.ndarray:
    """Return the class probabilities (C, slices, rows, columns) of an image at least as large as the patch."""

    def probabilities(windows: Tensor) -> Tensor:
        return torch.softmax(network(windows).logits, dim=1)

    return _blend(probabilities, image, patch, stride, classes, device)


def segment_by_prototypes(
    network: nn.Module,
    vectors: Tensor,
    image: np.ndarray,
    patch: Sequence[int],
    stride: Sequence[int],
    device: str,
) -> np.ndarray:
    """The same by the cosines of upsampled features (half resolution) with one vector per class, (C, L)."""
    mode = "bilinear" if len(patch) == 2 else "trilinear"

    def probabilities(windows: Tensor) -> Tensor:
        features = network(windows).decoder_half
        features = functional.interpolate(features, size=windows.shape[2:], mode=mode, align_corners=False)
        cosines = []
        for vector in vectors:
            vector = vector.view(1, -1, *(1,) * len(patch))
            cosines.append(functional.cosine_similarity(features, vector, dim=1))
        return torch.softmax(COSINE_SCALE * torch.stack(cosines, dim=1), dim=1)

    return _blend(probabilities, image, patch, stride, len(vectors), device)


def _blend(
    probabilities: Callable[[Tensor], Tensor],
    image: np.ndarray,
    patch: Sequence[int],
    stride: Sequence[int],
    classes: int,
    device: str,
) -> np.ndarray:
    score = np.zeros((classes, *image.shape), np.float32)
    count = np.zeros(image.shape, np.float32)
    for window in _windows(image.shape, patch, stride):
        values = torch.from_numpy(image[window].astype(np.float32))[None, None].to(device)
        with torch.no_grad():
            answer = probabilities(values)[0].cpu().numpy()
        score[(slice(None), *window)] += answer
        count[window] += 1
    return score / count[None]


def _windows(size: Sequence[int], patch: Sequence[int], stride: Sequence[int]) -> Iterator[Window]:
    """Yield windows of a volume; for a 2D patch whole slices, which then have the size of the patch."""
    if len(patch) == 2:
        yield from ((index,) for index in range(size[0]))
        return
    starts = []
    for length, side, step in zip(size, patch, stride, strict=True):
        count = math.ceil((length - side) / step) + 1
        starts.append([min(index * step, length - side) for index in range(count)])
    for corner in itertools.product(*starts):
        yield tuple(slice(first, first + side) for first, side in zip(corner, patch, strict=True))
