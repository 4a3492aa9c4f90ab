"""A network's outputs for labeled cases, window by window, as class prototypes are taken from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from torch import Tensor, nn
from torch.nn import functional

from ...planning.plan import Plan
from ..networks.output import NetworkOutput
from .sliding_window import as_batch, window_size

IGNORED = -1
"""The label of voxels that count for no class."""


class LabeledGrid(NamedTuple):
    """A labeled case on the plan's grid.

    Attributes:
        image: Preprocessed image (slices, rows, columns).
        labels: Class indices of the same shape.
        annotated: Class indices of the annotated structures, None for all.
    """

    image: np.ndarray
    labels: np.ndarray
    annotated: tuple[int, ...] | None = None

    def not_annotated(self, num_classes: int) -> list[int]:
        """Return the class indices of the structures that are not annotated."""
        return sorted(set(range(1, num_classes)) - set(self.annotated or range(1, num_classes)))


@contextmanager
def evaluating(network: nn.Module, autocast: AbstractContextManager | None) -> Iterator[None]:
    """Put a network into evaluation mode, without gradients and within a context such as `torch.autocast`."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), autocast or nullcontext():
            yield
    finally:
        network.train(was_training)


def labeled_outputs(
    network: nn.Module, case: LabeledGrid, plan: Plan, device: torch.device, windows_at_once: int
) -> Iterator[tuple[NetworkOutput, Tensor]]:
    """Yield the outputs of a network with the labels (B, *window) of windows that cover a case once.

    Padding, voxels of an earlier window, and those of the background where the network itself sees a structure that
    the case is not annotated for have the label -1.

    Args:
        network: Network that maps images `(B, 1, *window)` to a `NetworkOutput`.
        case: Labeled case.
        plan: Plan with the dimensions, the patch and the number of classes.
        device: Device of the network.
        windows_at_once: Number of windows in one batch.
    """
    not_annotated = torch.tensor(case.not_annotated(plan.num_classes), device=device)
    for images, labels in _windows(case, plan, device, windows_at_once):
        output = network(images)
        if len(not_annotated):
            sees_another = torch.isin(output.logits.argmax(dim=1), not_annotated)
            labels = labels.where((labels != 0) | ~sees_another, IGNORED)
        yield output, labels


def _windows(case: LabeledGrid, plan: Plan, device: torch.device, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of windows that cover the volume, images (B, 1, *window) and labels (B, *window)."""
    images = as_batch(torch.as_tensor(case.image, dtype=torch.float32), plan)[:, 0]
    labels = as_batch(torch.as_tensor(case.labels).long(), plan)[:, 0]
    window = window_size(plan, images.shape[1:])
    padding = _padding(images.shape[1:], window)
    images = functional.pad(images, padding, value=float(images.min()))
    labels = functional.pad(labels, padding, value=IGNORED)
    slices = dense_patch_slices(images.shape[1:], window, window)
    places = [(item, place) for item in range(len(images)) for place in slices]
    for first in range(0, len(places), at_once):
        window_images, window_labels = [], []
        for item, place in places[first : first + at_once]:
            window_images.append(images[item][place])
            uncounted = labels[item][place]
            window_labels.append(uncounted.clone())
            uncounted.fill_(IGNORED)
        yield torch.stack(window_images)[:, None].to(device), torch.stack(window_labels).to(device)


def _padding(size: Sequence[int], window: Sequence[int]) -> list[int]:
    """Return the symmetric padding up to the window, in the order of `torch.nn.functional.pad`."""
    padding: list[int] = []
    for have, want in zip(reversed(size), reversed(window), strict=True):
        missing = max(want - have, 0)
        padding += [missing // 2, missing - missing // 2]
    return padding
