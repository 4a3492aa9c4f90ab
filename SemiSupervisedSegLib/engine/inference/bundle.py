"""A trained model as a MONAI bundle: configs, weights and class prototypes in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import monai
import numpy as np
import torch
from torch import Tensor, nn

from ...jobs.model_folder import (
    BUNDLE_VERSION,
    METADATA,
    OWN_SECTION,
    WEIGHTS,
    ModelDescription,
    damaged_model,
    read_description,
)
from ...planning.plan import Plan
from ...study.files import atomic_folder
from ...study.model import Structure
from ..losses.prototypes import Prototypes
from ..networks.factory import build_planned_network
from ..networks.output import FeatureLevel
from ..tensor_files import load_tensors, save_tensors

INFERENCE, PROTOTYPES = "configs/inference.json", "models/prototypes.pt"


@dataclass(frozen=True)
class TrainedModel:
    """Everything that prediction needs.

    Attributes:
        network: Network that maps images `(B, 1, *patch)` to a `NetworkOutput`.
        plan: Preprocessing of the images; it also names the network.
        structures: Structures in the order of the class indices: class i is `structures[i - 1]`.
        method: Id of the method in the catalogue.
        prototypes: Prototypes, one vector per class at the feature level `level`.
        training: Origin of the model (study, preset, seed, steps, versions) in plain JSON values.
        shared_anatomy: Whether images show all structures, whatever they are annotated for.
    """

    network: nn.Module
    plan: Plan
    structures: tuple[Structure, ...]
    method: str
    prototypes: Prototypes
    level: FeatureLevel
    training: Mapping[str, Any] = field(default_factory=dict)
    shared_anatomy: bool = True


def save_bundle(folder: Path | str, model: TrainedModel) -> None:
    """Write a model as a MONAI bundle; the folder is complete or unchanged.

    Raises:
        UserError: The folder cannot be written, for example because no space is left.
    """
    with atomic_folder(folder) as new:
        (new / "configs").mkdir()
        (new / "models").mkdir()
        _write_json(new / METADATA, _metadata(model))
        _write_json(new / INFERENCE, _inference_config(model))
        save_tensors(new / WEIGHTS, model.network.state_dict())
        save_tensors(new / PROTOTYPES, model.prototypes._asdict())


def load_bundle(folder: Path | str, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a model that `save_bundle` has written; the network is in evaluation mode on the device.

    Raises:
        UserError: The folder is not such a bundle, comes from a newer version, is damaged or carries code.
    """
    folder = Path(folder)
    described = read_description(folder)
    weights, prototypes = load_tensors(folder / WEIGHTS, device), load_tensors(folder / PROTOTYPES, device)
    try:
        if described.prototype_level not in get_args(FeatureLevel):
            raise ValueError(described.prototype_level)
        plan = Plan.from_dict(described.plan)
        model = TrainedModel(
            network=build_planned_network(plan).to(device).eval(),
            plan=plan,
            structures=described.structures,
            method=described.method,
            prototypes=_checked_prototypes(prototypes, plan.num_classes),
            level=described.prototype_level,
            training=described.training,
            shared_anatomy=_shared_anatomy(described),
        )
        model.network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise damaged_model() from error
    return model


def _checked_prototypes(tensors: Mapping[str, Tensor], num_classes: int) -> Prototypes:
    """Return prototypes (C, L) with their validity (C,); raises ValueError when the tensors are others."""
    prototypes = Prototypes(**tensors)
    vectors, valid = prototypes
    if vectors.ndim != 2 or not vectors.is_floating_point() or valid.dtype is not torch.bool:
        raise ValueError("the prototypes are no vectors")
    if len(vectors) != num_classes or valid.shape != (num_classes,):
        raise ValueError("the prototypes are of another number of classes")
    return prototypes


def _shared_anatomy(described: ModelDescription) -> bool:
    value = described.shared_anatomy
    if value is None:
        value = described.training.get("settings", {}).get("shared_anatomy", True)
    if not isinstance(value, bool):
        raise TypeError("shared_anatomy is neither true nor false")
    return value


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _metadata(model: TrainedModel) -> dict[str, Any]:
    channels = {str(index + 1): structure.name for index, structure in enumerate(model.structures)}
    shape = list(model.plan.patch)
    image = {"type": "image", "format": "magnitude", "num_channels": model.plan.in_channels, "spatial_shape": shape}
    probabilities = {"type": "image", "format": "segmentation", "num_channels": model.plan.num_classes}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": "1.0.0",
        "changelog": {"1.0.0": "Written at the end of training."},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__,
        "numpy_version": np.__version__,
        "task": "Segmentation of " + ", ".join(structure.name for structure in model.structures),
        "description": f"{model.plan.network} trained with the method {model.method} by SemiSupervisedSeg.",
        "authors": "The user of SemiSupervisedSeg",
        "copyright": "The user of SemiSupervisedSeg",
        "network_data_format": {
            "inputs": {"image": image | {"dtype": "float32", "is_patch_data": True}},
            "outputs": {
                "logits": probabilities
                | {"spatial_shape": shape, "dtype": "float32", "channel_def": {"0": "background"} | channels}
            },
        },
        OWN_SECTION: {
            "bundle_version": BUNDLE_VERSION,
            "method": model.method,
            "prototype_level": model.level,
            "shared_anatomy": model.shared_anatomy,
            "plan": model.plan.to_dict(),
            "structures": [asdict(structure) for structure in model.structures],
            "training": dict(model.training),
        },
    }


def _inference_config(model: TrainedModel) -> dict[str, Any]:
    """Return the configuration of `python -m monai.bundle run --bundle_root . --input_dir A --output_dir B`."""
    return {
        "imports": [
            "$import torch",
            "$from SemiSupervisedSegLib.engine.inference.predict import predict_folder",
        ],
        "bundle_root": ".",
        "input_dir": "input",
        "output_dir": "output",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": "SemiSupervisedSegLib.engine.networks.factory.build_network",
            "name": model.plan.network.backbone,
            "in_channels": model.plan.in_channels,
            "num_classes": model.plan.num_classes,
            "embedded": model.plan.network.embedded,
            "tasks": [list(task) for task in model.plan.network.tasks],
        },
        "weights": f"$torch.load(@bundle_root + '/{WEIGHTS}', map_location=@device, weights_only=True)",
        "load_weights": "$@network_def.load_state_dict(@weights)",
        "run": ["$predict_folder(@bundle_root, @input_dir, @output_dir, @device)"],
    }
