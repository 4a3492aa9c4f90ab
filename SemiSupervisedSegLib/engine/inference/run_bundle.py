"""The segmentation of image files by a model bundle, as `python -m monai.bundle run` requests it.

A bundle has a copy of this module and of all modules that it imports, in its folder `scripts`, so that it works where
this project is not installed. They may import MONAI, PyTorch, NumPy, SciPy and SimpleITK only, and pydicom for DICOM.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...jobs.model_folder import read_description
from ...planning.plan import Plan
from ...planning.preprocess import to_plan_grid
from ...study.annotations import write_segmentation
from ...study.images import read_image
from ..device import choose_device
from ..networks.factory import build_network
from ..tensor_files import load_tensors
from .image_maps import as_image, image_maps
from .optimize import optimize_for_inference
from .prototype_classifiers import checked_classifier
from .sliding_window import mirrored_axes_of, overlap_of_windows, predict_grid

PROTOTYPES = "models/prototypes.pt"
IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SEGMENTATION = ".seg.nrrd"


class LogitsNetwork(nn.Module):
    """The network of a bundle, whose answer is the logits alone, as MONAI's tools expect it.

    Args:
        backbone: Name of the network.
        in_channels: Channels of the images (B, in_channels, *spatial).
        num_classes: Classes of the logits (B, num_classes, *spatial), background included.
        embedded: Whether the classifier has an embedding of its own.
        tasks: Class indices of the structures of each task, for a network that segments task by task.
        dynamic: Whether the bottleneck has a convolution whose kernels depend on the image.
    """

    def __init__(
        self,
        backbone: str,
        in_channels: int,
        num_classes: int,
        embedded: bool = False,
        tasks: Sequence[Sequence[int]] = (),
        dynamic: bool = False,
    ) -> None:
        super().__init__()
        self.network = build_network(
            backbone, in_channels, num_classes, embedded=embedded, tasks=tasks, dynamic=dynamic
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, num_classes, *spatial) of images (B, in_channels, *spatial)."""
        return self.network(images).logits


def load_weights(network: LogitsNetwork, path: str | Path) -> None:
    """Load the weights of a bundle into its network, without running what the file contains."""
    network.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


def segment_folder(
    bundle: str | Path,
    network: LogitsNetwork,
    images: str | Path,
    output: str | Path,
    device: str = "auto",
    prediction: Literal["final", "prototype"] = "final",
) -> list[Path]:
    """Segment every image of a folder as the command `predict` does, and return the files of the segmentations.

    Args:
        bundle: Folder of the bundle.
        network: Network with the weights of the bundle.
        images: Folder with image files, and folders of DICOM series.
        output: Folder for one `NAME.seg.nrrd` for each image.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        prediction: `final`, or `prototype` for the classifier by class prototypes.

    Raises:
        UserError: An image cannot be read, the device is absent, or a file cannot be written.
    """
    described = read_description(Path(bundle))
    plan, settings = Plan.from_dict(described.plan), described.training["settings"]
    chosen = choose_device(device, settings["precision"], settings["threads"])
    classifier = None
    if prediction == "prototype":
        tensors = load_tensors(Path(bundle) / PROTOTYPES, chosen.torch)
        classifier = checked_classifier(*described.prototypes(), tensors, plan.num_classes)
    fast = optimize_for_inference(network.network.to(chosen.torch))
    written = []
    Path(output).mkdir(parents=True, exist_ok=True)
    for path in _images(Path(images)):
        image = read_image(path)
        predicted = predict_grid(
            fast,
            to_plan_grid(image, plan),
            plan,
            classifier,
            device=chosen.torch,
            overlap=overlap_of_windows(settings, plan),
            autocast=chosen.autocast(),
            mirrored_axes=mirrored_axes_of(settings),
        )
        probabilities = predicted.final if predicted.prototype is None else predicted.prototype
        maps = image_maps(probabilities, plan, image, settings["largest_component"])
        written.append(Path(output) / f"{_stem(path)}{SEGMENTATION}")
        write_segmentation(written[-1], as_image(maps.classes, image), described.structures)
    return written


def network_config(plan: Plan, prefix: str) -> dict[str, Any]:
    """Return the entry of a MONAI configuration that builds the network of a plan.

    Args:
        plan: Plan of the model.
        prefix: Name of the package that holds this module.
    """
    return {
        "_target_": f"{prefix}.engine.inference.run_bundle.LogitsNetwork",
        "backbone": plan.network.backbone,
        "in_channels": plan.in_channels,
        "num_classes": plan.num_classes,
        "embedded": plan.network.embedded,
        "tasks": [list(task) for task in plan.network.tasks],
        "dynamic": plan.network.dynamic,
    }


def _images(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.is_dir() or path.name.lower().endswith(IMAGE_SUFFIXES))
    return [path for path in paths if not path.name.lower().endswith(SEGMENTATION)]


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.name.removesuffix(".gz").rsplit(".", 1)[0]
