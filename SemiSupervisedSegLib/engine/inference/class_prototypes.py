"""Class prototypes: the mean feature of each class over all labeled cases."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from ...planning.plan import Plan
from ..interpolation import adjoint_upsample
from ..networks.output import FeatureLevel
from .labeled_windows import LabeledGrid, evaluating, labeled_outputs
from .prototype_classifiers import CosineClassifier


def pool_class_prototypes(
    network: nn.Module,
    cases: Iterable[LabeledGrid],
    plan: Plan,
    level: FeatureLevel,
    *,
    device: torch.device | str = "cpu",
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
) -> CosineClassifier:
    """Pool the features of every class over the labeled cases (masked average pooling).

    A case's mean feature of a class is the mean over the voxels of that class of the features
    upsampled to full resolution; the prototype is the mean of these over the cases that contain the
    class, so that one case with a large organ does not outvote the others (CPCL, equation 3). Every voxel counts
    once, padding never. In the background of a partially annotated case, voxels count for no class where the network
    itself sees a structure that the case is not annotated for.

    Args:
        network: Network that maps images `(B, 1, *window)` to a `NetworkOutput`; it is in evaluation mode during the
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
    with evaluating(network, autocast):
        pooled = [_pool_case(network, LabeledGrid(*case), plan, level, device, windows_at_once) for case in cases]
    if not pooled:
        raise ValueError("Class prototypes need at least one labeled case.")
    sums, counts = (torch.stack(parts) for parts in zip(*pooled, strict=True))
    means = sums / counts.clamp_min(1).unsqueeze(2)
    cases_with_class = (counts > 0).sum(dim=0)
    vectors = means.sum(dim=0) / cases_with_class.clamp_min(1).unsqueeze(1)
    return CosineClassifier((level,), cases_with_class > 0, vectors.float())


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
    for output, labels in labeled_outputs(network, case, plan, device, windows_at_once):
        features = output.features(level)
        masks = torch.stack([labels == index for index in range(plan.num_classes)], dim=1)
        with torch.autocast(device.type, enabled=False):
            weights = adjoint_upsample(masks.float(), features.shape[2:])
            sums = sums + torch.einsum("bcv,blv->cl", weights.flatten(2), features.float().flatten(2)).double()
        counts = counts + masks.flatten(2).sum(dim=(0, 2)).double()
    return sums, counts
