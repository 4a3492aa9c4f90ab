"""From an image on the plan's grid to the class probabilities of both predictions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from ...jobs.settings import size_of
from ...planning.plan import PATCH_MULTIPLE, Plan
from ..data.spatial_augmentation import MIRRORED_AXES
from .blending import blending_device
from .prototype_classifiers import PrototypeClassifier

# Larger slices are segmented in windows, so that they fit into the memory of small graphics cards.
WHOLE_SLICE = 512


@dataclass(frozen=True)
class GridPrediction:
    """Class probabilities (C, slices, rows, columns) on the plan's grid, float32, where `blending_device` says.

    `prototype` is None where no classifier was given.
    """

    final: Tensor
    prototype: Tensor | None


def predict_grid(
    network: nn.Module,
    image: np.ndarray | Tensor,
    plan: Plan,
    classifier: PrototypeClassifier | None = None,
    *,
    device: torch.device | str = "cpu",
    overlap: float | Sequence[float] = 0.5,
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
    mirrored_axes: Sequence[int] = (),
) -> GridPrediction:
    """Segment one image with sliding windows whose softmax probabilities are averaged.

    The final probabilities come from the network's logits, the prototype-based ones from its
    features by a classifier; one forward pass gives both. The network is in
    evaluation mode during the call and in its former mode after it. An image smaller than the patch
    is padded with its minimum, and the padding is taken off the result.

    Args:
        network: Network that maps images (B, 1, *patch) to a `NetworkOutput`; see `optimize_for_inference`.
        image: Preprocessed image (slices, rows, columns). A 2D plan segments slice by slice, without windows where they
            fit into `WHOLE_SLICE`.
        plan: Plan with the dimensions and the patch.
        classifier: Classifier by class prototypes; None for the final prediction alone.
        device: Device of the network; windows are blended there too where they fit.
        overlap: Share of the patch by which neighbouring windows overlap, 0 <= overlap < 1, or one share per axis.
        autocast: Context such as `torch.autocast` for the network; the classifier and softmax are always in float32.
        windows_at_once: Number of windows in one batch.
        mirrored_axes: Axes of a window, from the end, along which it is mirrored, too, in every combination; the
            probabilities of all mirror images are averaged.

    Raises:
        UserError: No memory is large enough for the image.
    """
    device = torch.device(device)
    place = blending_device(device, math.prod(image.shape), plan.num_classes)
    inputs = as_batch(torch.as_tensor(image, dtype=torch.float32, device=place), plan)
    if classifier is not None:
        classifier = classifier.to(device)
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), autocast or nullcontext():
            answers = sliding_window_inference(
                inputs,
                roi_size=window_size(plan, inputs.shape[2:]),
                sw_batch_size=windows_at_once,
                predictor=lambda windows: _averaged_probabilities(network, windows, classifier, mirrored_axes),
                overlap=overlap,
                mode="constant",
                # What surrounds a small image is its minimum, as in training (see data.streams).
                cval=float(inputs.min()),
                sw_device=device,
                device=place,
            )
    finally:
        network.train(was_training)
    if isinstance(answers, Tensor):
        return GridPrediction(_as_grid(answers, plan), None)
    final, prototype = answers
    return GridPrediction(_as_grid(final, plan), _as_grid(prototype, plan))


def overlap_of_windows(settings: Mapping[str, Any], plan: Plan) -> float | tuple[float, ...]:
    """Return the overlap that `predict_grid` takes: as set, or along each axis from the step between windows.

    Args:
        settings: Settings "window_overlap" and "window_stride", the latter in voxels for windows of the patch's size.
        plan: Plan of the model.
    """
    steps = size_of(settings["window_stride"])
    if not steps:
        return settings["window_overlap"]
    # Half a voxel more, because the inferer rounds down what it computes from the overlap.
    return tuple(max(0.0, 1 - (step + 0.5) / side) for step, side in zip(steps, plan.patch, strict=True))


def mirrored_axes_of(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the axes along which windows are mirrored for prediction: those of the augmentation, or none.

    Args:
        settings: Settings "mirrored_prediction" and "augmentation"; a network that was trained without mirror images
            does not know them.
    """
    return MIRRORED_AXES if settings["mirrored_prediction"] and settings["augmentation"] != "none" else ()


def window_size(plan: Plan, size: Sequence[int]) -> tuple[int, ...]:
    """Return the size of a window: the patch in 3D; in 2D whole slices, as the papers do, up to `WHOLE_SLICE`."""
    if plan.dimensions == 3:
        return plan.patch
    whole = (math.ceil(length / PATCH_MULTIPLE) * PATCH_MULTIPLE for length in size)
    return tuple(max(side, min(length, WHOLE_SLICE)) for side, length in zip(plan.patch, whole, strict=True))


def as_batch(volume: Tensor, plan: Plan) -> Tensor:
    """Give a volume (slices, rows, columns) the shape (slices, 1, rows, columns) in 2D, (1, 1, ...) in 3D."""
    return volume[:, None] if plan.dimensions == 2 else volume[None, None]


def _as_grid(probabilities: Tensor, plan: Plan) -> Tensor:
    return probabilities.transpose(0, 1).contiguous() if plan.dimensions == 2 else probabilities[0]


def _averaged_probabilities(
    network: nn.Module,
    windows: Tensor,
    classifier: PrototypeClassifier | None,
    mirrored_axes: Sequence[int],
) -> Tensor | tuple[Tensor, ...]:
    """Return the means over all mirror images of the final and, with a classifier, of the prototype-based ones."""
    sums = _window_probabilities(network, windows, classifier)
    combinations = [c for count in range(len(mirrored_axes)) for c in itertools.combinations(mirrored_axes, count + 1)]
    for axes in combinations:
        mirrored = _window_probabilities(network, windows.flip(axes), classifier)
        sums = tuple(total + part.flip(axes) for total, part in zip(sums, mirrored, strict=True))
    means = tuple(total / (1 + len(combinations)) for total in sums) if combinations else sums
    return means if classifier is not None else means[0]


def _window_probabilities(
    network: nn.Module, windows: Tensor, classifier: PrototypeClassifier | None
) -> tuple[Tensor, ...]:
    output = network(windows)
    final = output.logits.float().softmax(dim=1)
    if classifier is None:
        return (final,)
    return final, classifier.logits(output, windows.shape[2:]).softmax(dim=1)
