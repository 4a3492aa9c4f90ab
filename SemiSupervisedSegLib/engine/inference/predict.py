"""A trained model applied to images."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk
import torch

from ...jobs.results import CaseSummary
from ...planning.preprocess import to_plan_grid
from ...study.errors import UserError
from ...study.images import read_image
from ..networks.base import SegmentationNetwork
from .bundle import TrainedModel, load_bundle
from .optimize import optimize_for_inference
from .sliding_window import GridPrediction, predict_grid
from .write import write_case_prediction

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")


def optimize_model(model: TrainedModel) -> TrainedModel:
    """Return a model for many calls of `predict_image`, with its network in the fastest form; it is not for saving."""
    return replace(model, network=optimize_for_inference(model.network))


def restrict_to_classes(model: TrainedModel, classes: Collection[int]) -> TrainedModel:
    """Return a model of several tasks for images that show some classes only; its predictions have no others."""
    kept = torch.tensor([index == 0 or index in classes for index in range(model.plan.num_classes)])
    valid = model.prototypes.valid
    prototypes = model.prototypes._replace(valid=valid & kept.to(valid.device))
    assert isinstance(model.network, SegmentationNetwork), "the network of a whole model, not of a part of its tasks"
    return replace(model, network=model.network.for_classes(classes), prototypes=prototypes)


def predict_image(
    model: TrainedModel,
    image: sitk.Image,
    *,
    device: torch.device | str = "cpu",
    overlap: float = 0.5,
    autocast: AbstractContextManager | None = None,
    windows_at_once: int = 4,
) -> GridPrediction:
    """Bring an image to the plan's grid and predict it; arguments as for `predict_grid`."""
    return predict_grid(
        model.network,
        to_plan_grid(image, model.plan),
        model.plan,
        model.prototypes,
        model.level,
        device=device,
        overlap=overlap,
        autocast=autocast,
        windows_at_once=windows_at_once,
    )


def predict_folder(
    bundle: Path | str, images: Path | str, output: Path | str, device: torch.device | str = "cpu"
) -> list[CaseSummary]:
    """Predict every image file of a folder with a model bundle; one folder of results for each image.

    Raises:
        UserError: There is no image, an image cannot be read, or the model cannot be used.
    """
    model = optimize_model(load_bundle(bundle, device))
    paths = sorted(path for path in Path(images).iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
    if not paths:
        raise UserError("The folder contains no image.", f"Images end in {', '.join(IMAGE_SUFFIXES)}.")
    results = []
    for path in paths:
        image = read_image(path)
        prediction = predict_image(model, image, device=device)
        case = path.name.removesuffix(".gz").rsplit(".", 1)[0]
        results.append(
            write_case_prediction(
                output, case, prediction, model.plan, image, model.structures, largest_component=False
            )
        )
    return results
