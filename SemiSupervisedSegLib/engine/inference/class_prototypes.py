"""Class prototypes: the mean feature of each class over all labeled cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from torch import Tensor, nn
from torch.nn import functional

from ...planning.plan import Plan
from ..interpolation import adjoint_upsample
from ..losses.prototypes import Prototypes
from ..networks.output import FeatureLevel

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


def pool_class_prototypes(
    network: nn.Module,
    cases: Iterable[LabeledGrid],
    plan: Plan,
    level: FeatureLevel,
    *,
    device: torch.device | str = "cpu",
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
) -> Prototypes:
    """Pool the features of every class over the labeled cases (masked average pooling).

    A case's mean feature of a class is the mean over the voxels of that class of the features
    upsampled to full resolution; the prototype is the mean of these over the cases that contain the
    class, so that one case with a large organ does not outvote the others (CPCL, equation 3). Every voxel counts
    once, padding never. In the background of a partially annotated case, voxels count for no class where the network
    itself sees a structure that the case is not annotated for.

    Args:
        network: Network that maps images `(B, 1, *patch)` to a `NetworkOutput`; it is in evaluation mode during the
            call.
        cases: Labeled cases, read one at a time.
        plan: Plan with the dimensions, the patch and the number of classes.
        level: Level of the features.
        device: Device of the network.
        autocast: Context such as `torch.autocast` for the network; the pooling is always in float32.
        windows_at_once: Number of windows in one batch.

    Raises:
        ValueError: There is no case.
    """
    device = torch.device(device)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), autocast or nullcontext():
            pooled = [_pool_case(network, LabeledGrid(*case), plan, level, device, windows_at_once) for case in cases]
    finally:
        network.train(was_training)
    if not pooled:
        raise ValueError("Class prototypes need at least one labeled case.")
    sums, counts = (torch.stack(parts) for parts in zip(*pooled, strict=True))
    means = sums / counts.clamp_min(1).unsqueeze(2)
    cases_with_class = (counts > 0).sum(dim=0)
    vectors = means.sum(dim=0) / cases_with_class.clamp_min(1).unsqueeze(1)
    return Prototypes(vectors.float(), cases_with_class > 0)


def _pool_case(
    network: nn.Module,
    case: LabeledGrid,
    plan: Plan,
    level: FeatureLevel,
    device: torch.device,
    windows_at_once: int,
) -> tuple[Tensor, Tensor]:
    """Return the sums (C, L) and the voxel counts (C,) of one case in float64."""
    sums = counts = torch.zeros((), dtype=torch.float64, device=device)
    unannotated = set(range(1, plan.num_classes)) - set(case.annotated or range(1, plan.num_classes))
    for images, labels in _windows(case.image, case.labels, plan, device, windows_at_once):
        output = network(images)
        features = output.features(level)
        if unannotated:
            sees_another = torch.isin(output.logits.argmax(dim=1), torch.tensor(sorted(unannotated), device=device))
            labels = labels.where((labels != 0) | ~sees_another, IGNORED)
        masks = torch.stack([labels == index for index in range(plan.num_classes)], dim=1)
        with torch.autocast(device.type, enabled=False):
            weights = adjoint_upsample(masks.float(), features.shape[2:])
            sums = sums + torch.einsum("bcv,blv->cl", weights.flatten(2), features.float().flatten(2)).double()
        counts = counts + masks.flatten(2).sum(dim=(0, 2)).double()
    return sums, counts


def _windows(
    image: np.ndarray, label: np.ndarray, plan: Plan, device: torch.device, at_once: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of windows that cover the volume, images (B, 1, *patch) and labels (B, *patch).

    A voxel that an earlier window already counted, and padding, has the label -1.
    """
    images = torch.as_tensor(image, dtype=torch.float32)
    labels = torch.as_tensor(label).long()
    if plan.dimensions == 3:
        images, labels = images[None], labels[None]
    padding = _padding(images.shape[1:], plan.patch)
    images = functional.pad(images, padding, value=float(images.min()))
    labels = functional.pad(labels, padding, value=IGNORED)
    slices = dense_patch_slices(images.shape[1:], plan.patch, plan.patch)
    places = [(item, place) for item in range(len(images)) for place in slices]
    for first in range(0, len(places), at_once):
        window_images, window_labels = [], []
        for item, place in places[first : first + at_once]:
            window_images.append(images[item][place])
            uncounted = labels[item][place]
            window_labels.append(uncounted.clone())
            uncounted.fill_(IGNORED)
        yield torch.stack(window_images)[:, None].to(device), torch.stack(window_labels).to(device)


def _padding(size: Sequence[int], patch: Sequence[int]) -> list[int]:
    """Return the symmetric padding up to the patch, in the order of `torch.nn.functional.pad`."""
    padding: list[int] = []
    for have, want in zip(reversed(size), reversed(patch), strict=True):
        missing = max(want - have, 0)
        padding += [missing // 2, missing - missing // 2]
    return padding
