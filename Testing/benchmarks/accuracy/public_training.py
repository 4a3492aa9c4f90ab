"""The trainings of public benchmark code on slices, written plainly: Supervised and Mean Teacher.

They follow train_fully_supervised_2D.py, train_mean_teacher_2D.py, dataloaders/dataset.py and val_2D.py of
https://github.com/HiLab-git/SSL4MIS: the 2D U-Net in float32 and contiguous memory; every slice is read from a
compressed file, augmented with scipy and zoomed to a square without interpolation; SGD whose rate falls from 0.01 with
the power 0.9; cross-entropy and Dice loss; for Mean Teacher 12 labeled and 12 unlabeled slices at once, a teacher with
the decay 0.99 and noise, and the mean squared difference with a weight that rises to 0.1.

What differs: slices are 128x128 instead of 256x256; whatever depends on the published 30000 steps is scaled to the
steps that there are, which are the fall of the rate, the rise of the consistency (over all steps) and its beginning
(after a thirtieth of them); batches run on over the ends of epochs; slices are read in the process of the training;
nothing is validated meanwhile, and the network of the last step is the result.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from SemiSupervisedSegLib.engine.networks.unet2d import unet_2d

from ..speed.published_style import EMA_DECAY, LEARNING_RATE, as_published, batches_of, dice_loss, turn_and_flip

SIDE = 128
BATCH, LABELED_BATCH = 24, 12
CONSISTENCY, RAMP = 0.1, 5.0
_FIRST_SHARE = 1 / 30
_NOISE, _MOST_NOISE = 0.1, 0.2


class Slices(Dataset):
    """Reads the file of a slice on every access, augments it and zooms it to a square."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with np.load(self._files[index]) as file:
            image, label = augmented(file["image"], file["label"])
        return torch.from_numpy(zoomed(image))[None], torch.from_numpy(zoomed(label).astype(np.int64))


def augmented(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn and mirror half of the slices, rotate a quarter by up to 20 degrees, and leave a quarter as they are."""
    if np.random.random() > 0.5:
        return turn_and_flip(image, label)
    if np.random.random() > 0.5:
        angle = np.random.randint(-20, 20)
        image = ndimage.rotate(image, angle, order=0, reshape=False)
        label = ndimage.rotate(label, angle, order=0, reshape=False)
    return image, label


def zoomed(array: np.ndarray, shape: Sequence[int] | None = None) -> np.ndarray:
    """A slice (rows, columns) zoomed to a shape, or to the square, each pixel that of the nearest one."""
    shape = shape or (SIDE, SIDE)
    return ndimage.zoom(array, [new / old for new, old in zip(shape, array.shape, strict=True)], order=0)


def scaled(volume: np.ndarray) -> np.ndarray:
    """Intensities of a volume scaled to 0..1, as float32."""
    volume = volume.astype(np.float32)
    return (volume - volume.min()) / max(float(volume.max() - volume.min()), 1e-8)


def train(
    network: nn.Module,
    files: tuple[Sequence[Path], Sequence[Path]],
    steps: int,
    device: torch.device,
    *,
    has_teacher: bool,
) -> Iterator[tuple[dict[str, float], float]]:
    """Train a network of `new_network`, and yield the losses and the learning rate of every step.

    Args:
        network: changed in place; it is in evaluation mode after the last step.
        files: of the labeled and of the unlabeled slices, with the arrays `image` and `label` (rows, columns).
        steps: how many.
        device: where it is trained.
        has_teacher: whether it is Mean Teacher; otherwise unlabeled slices are not read.
    """
    labeled, unlabeled = files if has_teacher else (files[0], [])
    counts = (LABELED_BATCH, BATCH - LABELED_BATCH) if has_teacher else (BATCH, 0)
    sampler = batches_of(len(labeled), len(unlabeled), counts)
    loader = DataLoader(Slices([*labeled, *unlabeled]), batch_sampler=sampler, pin_memory=device.type == "cuda")
    network = network.to(device).train()
    teacher = copy.deepcopy(network).requires_grad_(False) if has_teacher else None
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
    for step, (images, labels) in zip(range(steps), loader, strict=False):
        losses = _losses(network, teacher, images.to(device), labels[: counts[0]].to(device), step / steps)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        if teacher is not None:
            _average(teacher, network, min(1 - 1 / (step + 1), EMA_DECAY))
        rate = optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps) ** 0.9
        yield {name: loss.item() for name, loss in losses.items()}, rate
    network.eval()


def consistency_weight(done: float) -> float:
    """The weight of the consistency when a share of the steps is done, 0 at their beginning."""
    return 0.0 if done < _FIRST_SHARE else CONSISTENCY * math.exp(-RAMP * (1 - done) ** 2)


def new_network(num_classes: int) -> nn.Module:
    """The 2D U-Net for one channel, without what this project changed for speed."""
    return as_published(unet_2d(1, num_classes))


@torch.no_grad()
def predict(network: nn.Module, volume: np.ndarray, device: torch.device) -> np.ndarray:
    """Segment a volume (slices, rows, columns) of intensities 0..1 slice by slice as class indices (uint8)."""
    classes = np.zeros(volume.shape, np.uint8)
    for number, image in enumerate(volume):
        logits = network(torch.from_numpy(zoomed(image))[None, None].to(device)).logits
        found = torch.argmax(torch.softmax(logits, dim=1), dim=1)[0].cpu().numpy()
        classes[number] = zoomed(found, image.shape)
    return classes


def _losses(
    network: nn.Module, teacher: nn.Module | None, images: Tensor, labels: Tensor, done: float
) -> dict[str, Tensor]:
    logits = network(images).logits
    probabilities = torch.softmax(logits, dim=1)
    count = len(labels)
    cross_entropy = functional.cross_entropy(logits[:count], labels)
    supervised = 0.5 * (dice_loss(probabilities[:count], labels) + cross_entropy)
    if teacher is None:
        return {"total": supervised}
    unlabeled = images[count:]
    with torch.no_grad():
        noise = torch.clamp(torch.randn_like(unlabeled) * _NOISE, -_MOST_NOISE, _MOST_NOISE)
        target = torch.softmax(teacher(unlabeled + noise).logits, dim=1)
    consistency = torch.mean((probabilities[count:] - target) ** 2)
    total = supervised + consistency_weight(done) * consistency
    return {"total": total, "supervised": supervised, "consistency": consistency}


def _average(teacher: nn.Module, network: nn.Module, decay: float) -> None:
    for averaged, parameter in zip(teacher.parameters(), network.parameters(), strict=True):
        averaged.data.mul_(decay).add_(parameter.data, alpha=1 - decay)
