"""Scores of the network on the frozen validation cases, on the plan's grid, while training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.metrics import compute_dice
from torch.nn import functional

from ...planning.cached_case import CachedCase
from ...planning.plan import Plan
from ..device import Device
from ..inference.optimize import optimize_for_inference
from ..inference.sliding_window import overlap_of_windows, predict_grid
from ..networks.base import SegmentationNetwork


def validation_dice(
    network: SegmentationNetwork,
    cases: Sequence[CachedCase],
    plan: Plan,
    settings: Mapping[str, Any],
    device: Device,
    *,
    shared_anatomy: bool = True,
) -> list[float]:
    """Return the mean Dice over cases of each foreground class, in the order of the structures.

    A structure that is in neither the annotation nor the prediction of a case counts as 1; one that a case is not
    annotated for does not count there. NaN stands for a structure that no annotation shows on the grid: agreement with
    nothing must not raise the mean. The cases are read one at a time and never enter the training's memory.

    Args:
        network: Network that predicts.
        cases: Validation cases.
        plan: Plan of the study.
        settings: Settings of the round.
        device: Device of the network.
        shared_anatomy: Whether a case is segmented for all structures, or else for those it is annotated for.
    """
    scores, fast = [], optimize_for_inference(network)
    is_shown = torch.zeros(plan.num_classes, dtype=torch.bool)
    for case in cases:
        arrays = case.load()
        final = predict_grid(
            fast if shared_anatomy or case.annotated is None else fast.for_classes(case.annotated),
            arrays.image,
            plan,
            device=device.torch,
            overlap=overlap_of_windows(settings, plan),
            autocast=device.autocast(),
        ).final
        labels = torch.from_numpy(arrays.labels).to(final.device, torch.int64)
        is_shown[labels.unique().cpu()] = True
        predicted, annotated = (_indicators(classes, plan.num_classes) for classes in (final.argmax(dim=0), labels))
        dice = compute_dice(predicted, annotated, include_background=False, ignore_empty=False).cpu()
        known = [case.annotated is None or index in case.annotated for index in range(1, plan.num_classes)]
        scores.append(dice.where(torch.tensor(known), torch.nan))
    return torch.cat(scores).nanmean(dim=0).where(is_shown[1:], torch.nan).tolist()


def _indicators(classes: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Turn class indices (*spatial) into indicators (1, C, *spatial)."""
    return functional.one_hot(classes, num_classes).movedim(-1, 0).unsqueeze(0)
