"""A trained model as a MONAI bundle: configs, weights and class prototypes in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

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
from ...study.model import Modality, Structure
from ..networks.factory import build_planned_network
from ..tensor_files import load_tensors, save_tensors
from .bundle_scripts import FOLDER, write_scripts
from .prototype_classifiers import PrototypeClassifier, checked_classifier
from .run_bundle import PROTOTYPES, network_config

INFERENCE, README = "configs/inference.json", "docs/README.md"
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


@dataclass(frozen=True)
class TrainedModel:
    """Everything that prediction needs.

    Attributes:
        network: Network that maps images `(B, 1, *patch)` to a `NetworkOutput`.
        plan: Preprocessing of the images; it also names the network.
        structures: Structures in the order of the class indices: class i is `structures[i - 1]`.
        method: Id of the method in the catalogue.
        classifier: Classifier of the prototype-based prediction.
        training: Origin of the model (study, preset, seed, steps, versions) in plain JSON values.
        shared_anatomy: Whether images show all structures, whatever they are annotated for.
    """

    network: nn.Module
    plan: Plan
    structures: tuple[Structure, ...]
    method: str
    classifier: PrototypeClassifier
    training: Mapping[str, Any] = field(default_factory=dict)
    shared_anatomy: bool = True


def save_bundle(folder: Path | str, model: TrainedModel) -> None:
    """Write a model as a MONAI bundle; the folder is complete or unchanged.

    Raises:
        UserError: The folder cannot be written, for example because no space is left.
    """
    with atomic_folder(folder) as new:
        for name in ("configs", "docs", "models"):
            (new / name).mkdir()
        _write_json(new / METADATA, _metadata(model))
        _write_json(new / INFERENCE, _inference_config(model))
        (new / README).write_text(_readme(model), encoding="utf-8")
        write_scripts(new)
        save_tensors(new / WEIGHTS, model.network.state_dict())
        save_tensors(new / PROTOTYPES, model.classifier.tensors())


def load_bundle(folder: Path | str, device: torch.device | str = "cpu") -> TrainedModel:
    """Read a model that `save_bundle` has written; the network is in evaluation mode on the device.

    Raises:
        UserError: The folder is not such a bundle, comes from a newer version, is damaged or carries code.
    """
    folder = Path(folder)
    described = read_description(folder)
    weights, prototypes = load_tensors(folder / WEIGHTS, device), load_tensors(folder / PROTOTYPES, device)
    try:
        plan = Plan.from_dict(described.plan)
        model = TrainedModel(
            network=build_planned_network(plan).to(device).eval(),
            plan=plan,
            structures=described.structures,
            method=described.method,
            classifier=checked_classifier(*described.prototypes(), prototypes, plan.num_classes),
            training=described.training,
            shared_anatomy=_shared_anatomy(described),
        )
        model.network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise damaged_model() from error
    return model


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
    names = ", ".join(structure.name for structure in model.structures)
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": "Written at the end of training."},
        "monai_version": version("monai"),
        "pytorch_version": version("torch"),
        "numpy_version": version("numpy"),
        "required_packages_version": {"SimpleITK": version("SimpleITK"), "scipy": version("scipy")},
        "optional_packages_version": {"pydicom": "2.4"},
        "task": f"Segmentation of {names}",
        "description": f"{model.plan.network} trained with the method {model.method} by SemiSupervisedSeg.",
        "authors": "The user of SemiSupervisedSeg",
        "copyright": "The user of SemiSupervisedSeg",
        "intended_use": "Research. Not for diagnosis.",
        "network_data_format": _data_format(model),
        OWN_SECTION: {
            "bundle_version": BUNDLE_VERSION,
            "method": model.method,
            "prototype_classifier": model.classifier.kind,
            "prototype_levels": list(model.classifier.levels),
            "shared_anatomy": model.shared_anatomy,
            "plan": model.plan.to_dict(),
            "structures": [asdict(structure) for structure in model.structures],
            "training": dict(model.training),
        },
    }


def _data_format(model: TrainedModel) -> dict[str, Any]:
    modality = model.plan.normalization.modality
    classes = {"0": "background"} | {str(index): structure.name for index, structure in enumerate(model.structures, 1)}
    common = {"type": "image", "spatial_shape": list(model.plan.patch), "dtype": "float32", "is_patch_data": True}
    image = {
        **common,
        "format": "hounsfield" if modality is Modality.CT else "magnitude",
        "modality": modality.value.upper(),
        "num_channels": model.plan.in_channels,
        "value_range": [],
        "channel_def": {"0": "image, resampled and normalised by scripts/planning/preprocess.py"},
    }
    logits = {
        **common,
        "format": "labels",
        "num_channels": model.plan.num_classes,
        "value_range": [],
        "channel_def": classes,
    }
    return {"inputs": {"image": image}, "outputs": {"pred": logits}}


def _inference_config(model: TrainedModel) -> dict[str, Any]:
    """Return the configuration of `python -m monai.bundle run`, which works from within the folder of the bundle."""
    return {
        "bundle_root": ".",
        "input_dir": "input",
        "output_dir": "output",
        "device": "auto",
        "prediction": "final",
        "network_def": network_config(model.plan, FOLDER),
        "initialize": [
            {
                "_target_": f"{FOLDER}.engine.inference.run_bundle.load_weights",
                "network": "@network_def",
                "path": f"$@bundle_root + '/{WEIGHTS}'",
            }
        ],
        "run": [
            {
                "_target_": f"{FOLDER}.engine.inference.run_bundle.segment_folder",
                "bundle": "@bundle_root",
                "network": "@network_def",
                "images": "@input_dir",
                "output": "@output_dir",
                "device": "@device",
                "prediction": "@prediction",
            }
        ],
    }


def _readme(model: TrainedModel) -> str:
    names = "".join(f"- {index}: {structure.name}\n" for index, structure in enumerate(model.structures, 1))
    return f"""# Segmentation model

{model.plan.network}, trained with the method {model.method} by SemiSupervisedSeg for 3D Slicer.

Classes of the network, after background:

{names}
## Use

With Python, MONAI (with fire, PyYAML and pytorch-ignite), SimpleITK and SciPy, and pydicom for DICOM, in this folder:

    python -m monai.bundle run --config_file configs/inference.json --input_dir IMAGES --output_dir SEGMENTATIONS

Every image of the folder (NIfTI, NRRD, MetaImage, or a folder with a DICOM series) gets a file NAME.seg.nrrd on its own
grid, with the names, colours and label values of the structures. It is voxel for voxel the final segmentation of
SemiSupervisedSeg's command `predict` on the same device.

`--prediction prototype` writes the prototype-based segmentation instead, by the classifier in models/prototypes.pt.
`--device cpu` or `--device cuda:0` choose the device. From another folder, add this one to PYTHONPATH, and
`--bundle_root` and the path to `--config_file`.

## What needs SemiSupervisedSeg

Uncertainty, and the segmentation of chosen tasks only, by the prompts of UniSeMi. `scripts` holds copies of the modules
of SemiSupervisedSeg that the segmentation needs.
"""
