"""A trained model applied to images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import SimpleITK as sitk
import torch

from ...planning.preprocess import to_plan_grid
from ..networks.base import SegmentationNetwork
from .bundle import TrainedModel
from .optimize import optimize_for_inference
from .sliding_window import GridPrediction, predict_grid


def optimize_model(model: TrainedModel) -> TrainedModel:
    """Return a model for many calls of `predict_image`, with its network in the fastest form; it is not for saving."""
    return replace(model, network=optimize_for_inference(model.network))


def restrict_to_classes(model: TrainedModel, classes: Collection[int]) -> TrainedModel:
    """Return a model of several tasks for images that show some classes only; its predictions have no other classes."""
    is_selected = torch.tensor([index == 0 or index in classes for index in range(model.plan.num_classes)])
    assert isinstance(model.network, SegmentationNetwork), "the network of a whole model, not of a part of its tasks"
    return replace(
        model, network=model.network.for_classes(classes), classifier=model.classifier.restricted(is_selected)
    )


def predict_image(
    model: TrainedModel,
    image: sitk.Image,
    *,
    device: torch.device | str = "cpu",
    overlap: float | Sequence[float] = 0.5,
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
    mirrored_axes: Sequence[int] = (),
) -> GridPrediction:
    """Bring an image to the plan's grid and predict it; arguments as for `predict_grid`."""
    return predict_grid(
        model.network,
        to_plan_grid(image, model.plan),
        model.plan,
        model.classifier,
        device=device,
        overlap=overlap,
        autocast=autocast,
        windows_at_once=windows_at_once,
        mirrored_axes=mirrored_axes,
    )
