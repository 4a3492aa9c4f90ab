"""Gaussian class prototypes: mean features of the classes, their common covariance, and the shares of the classes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...planning.plan import Plan
from ..interpolation import upsample
from ..networks.output import FeatureLevel, NetworkOutput
from .labeled_windows import LabeledGrid, evaluating, labeled_outputs
from .prototype_classifiers import GAUSSIAN_LEVELS, GaussianClassifier

VOXELS = 4096
"""Voxels of a class in a window from which the moments are taken, evenly spread; all where there are fewer."""


class _Moments(NamedTuple):
    """Moments of the features of each class in float64, of one case or of several.

    Attributes:
        counts: Numbers of voxels (C,).
        means: Means (C, L).
        scatters: Sums (C, L, L) of the squared differences to the mean.
    """

    counts: Tensor
    means: Tensor
    scatters: Tensor

    def merged(self, new: _Moments) -> _Moments:
        """Return the moments of the voxels of both (T. Chan et al., The American Statistician 1983, equation 1.5)."""
        counts = self.counts + new.counts
        share = new.counts / counts.clamp(min=1)
        apart = new.means - self.means
        between = (self.counts * share).view(-1, 1, 1) * apart.unsqueeze(2) * apart.unsqueeze(1)
        means = self.means + share.unsqueeze(1) * apart
        return _Moments(counts, means, self.scatters + new.scatters + between)


def pool_class_gaussians(
    network: nn.Module,
    cases: Iterable[LabeledGrid],
    plan: Plan,
    levels: Sequence[FeatureLevel] = GAUSSIAN_LEVELS,
    *,
    device: torch.device | str = "cpu",
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
) -> GaussianClassifier:
    """Take the moments of the features of every class over the labeled cases, in one pass.

    The mean of a class is the mean over the cases that contain it of each case's mean, as in `pool_class_prototypes`.
    The covariance is the mean of the classes' covariances, weighted half by their shares and half equally, as by shares
    alone the background decides (Docs/experiments.md). The share of a structure is the mean over
    the cases that are annotated for it of its share of the voxels, and that of the background is the remainder.

    Args:
        network: Network that maps images `(B, 1, *window)` to a `NetworkOutput`; it is in evaluation mode during the
            call.
        cases: Labeled cases, read one at a time.
        plan: Plan with the dimensions, the patch and the number of classes.
        levels: Levels of the features, which are upsampled to full resolution and put in a row.
        device: Device of the network.
        autocast: Context such as `torch.autocast` for the network; the moments are always in float64.
        windows_at_once: Number of windows in one batch.

    Raises:
        ValueError: There is no case.
    """
    device, moments, annotated = torch.device(device), [], []
    with evaluating(network, autocast):
        for case in (LabeledGrid(*case) for case in cases):
            outputs = labeled_outputs(network, case, plan, device, windows_at_once)
            moments.append(_merged(_window_moments(output, labels, plan, levels) for output, labels in outputs))
            annotated.append([index not in case.not_annotated(plan.num_classes) for index in range(plan.num_classes)])
    if not moments:
        raise ValueError("Class prototypes need at least one labeled case.")
    return _classifier(moments, torch.tensor(annotated, device=device), tuple(levels))


def _window_moments(output: NetworkOutput, labels: Tensor, plan: Plan, levels: Sequence[FeatureLevel]) -> _Moments:
    """Return the moments of a batch of windows with labels (B, *window)."""
    parts = []
    with torch.autocast(labels.device.type, enabled=False):
        for item, its_labels in enumerate(labels):
            maps = [upsample(output.features(level)[item : item + 1].float(), labels.shape[1:]) for level in levels]
            points, flat = torch.cat(maps, dim=1)[0].flatten(1).mT, its_labels.flatten()
            classes = [_class_moments(points, (flat == index).nonzero()[:, 0]) for index in range(plan.num_classes)]
            parts.append(_Moments(*map(torch.stack, zip(*classes, strict=True))))
    return _merged(parts)


def _class_moments(points: Tensor, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return count, mean (L,) and scatter (L, L) of the points (V, L) of one class, in float64."""
    chosen = points[members[:: max(1, -(-len(members) // VOXELS))]].double()
    count = torch.tensor(float(len(members)), dtype=torch.float64, device=points.device)
    mean = chosen.sum(dim=0) / max(1, len(chosen))
    centered = chosen - mean
    return count, mean, centered.mT @ centered * (count / max(1, len(chosen)))


def _merged(parts: Iterable[_Moments]) -> _Moments:
    return functools.reduce(_Moments.merged, parts)


def _classifier(cases: Sequence[_Moments], annotated: Tensor, levels: tuple[FeatureLevel, ...]) -> GaussianClassifier:
    """Return the classifier of the moments of each case.

    Args:
        cases: Moments of the cases.
        annotated: Whether each case is annotated for each class, bool (cases, C).
        levels: Levels of the features.
    """
    counts, means = torch.stack([case.counts for case in cases]), torch.stack([case.means for case in cases])
    present = (counts > 0).double().unsqueeze(2)
    together = _merged(cases)
    valid = together.counts > 0
    of_voxels = counts / counts.sum(dim=1, keepdim=True).clamp(min=1) * annotated
    shares = of_voxels.sum(dim=0) / annotated.sum(dim=0).clamp(min=1)
    shares[0] = (1 - shares[1:].sum()).clamp(min=0)
    spreads = together.scatters / together.counts.clamp(min=1).view(-1, 1, 1)
    # Of fewer voxels than features a class has no covariance that could stand for others.
    reliable = (together.counts > means.shape[2]).double()
    weights = shares * valid + reliable / reliable.sum().clamp(min=1)
    return GaussianClassifier(
        levels,
        valid,
        means=(means * present).sum(dim=0) / present.sum(dim=0).clamp(min=1),
        covariance=torch.einsum("c,clm->lm", weights / weights.sum(), spreads),
        shares=shares,
    )
