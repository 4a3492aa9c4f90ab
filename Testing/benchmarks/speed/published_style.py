"""A training loop as public benchmark code has it, written plainly, to compare with.

Every sample opens a compressed file in a worker of a data loader and is augmented with numpy and scipy; the network
runs in float32 and contiguous memory, on labeled and unlabeled images apart; the teacher is averaged parameter by
parameter and every loss is read at every step.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from SemiSupervisedSegLib.engine.networks.dropout import Dropout
from SemiSupervisedSegLib.engine.networks.unet2d import UpStage
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.study.model import Role

EMA_DECAY = 0.99
LEARNING_RATE = 0.01
STEPS = 30000


def write_samples(cases: Sequence[CachedCase], folder: Path, dimensions: int) -> tuple[list[Path], list[Path]]:
    """Write a compressed file for each slice (2D) or volume (3D); return those of labeled and unlabeled cases."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[Role, list[Path]] = {Role.LABELED: [], Role.UNLABELED: []}
    for case in cases:
        arrays = case.load()
        labels = np.zeros(case.shape, np.uint8) if arrays.labels is None else arrays.labels
        parts = zip(arrays.image, labels, strict=True) if dimensions == 2 else [(arrays.image, labels)]
        for number, (image, label) in enumerate(parts):
            path = folder / f"{case.id}-{number}.npz"
            np.savez_compressed(path, image=image, label=label)
            files[case.role].append(path)
    return files[Role.LABELED], files[Role.UNLABELED]


class Samples(Dataset):
    """Opens the file of a sample on every access and augments it."""

    def __init__(self, files: Sequence[Path], patch: Sequence[int]) -> None:
        self._files = files
        self._patch = tuple(patch)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with np.load(self._files[index]) as file:
            image, label = file["image"], file["label"]
        image, label = self._slice(image, label) if image.ndim == 2 else self._crop(image, label)
        return torch.from_numpy(image.astype(np.float32))[None], torch.from_numpy(label.astype(np.int64))

    def _slice(self, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if np.random.random() > 0.5:
            image, label = turn_and_flip(image, label)
        else:
            angle = np.random.randint(-20, 20)
            image = ndimage.rotate(image, angle, order=0, reshape=False)
            label = ndimage.rotate(label, angle, order=0, reshape=False)
        factors = [side / size for side, size in zip(self._patch, image.shape, strict=True)]
        return ndimage.zoom(image, factors, order=0), ndimage.zoom(label, factors, order=0)

    def _crop(self, image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts = [np.random.randint(size - side + 1) for size, side in zip(image.shape, self._patch, strict=True)]
        window = tuple(slice(start, start + side) for start, side in zip(starts, self._patch, strict=True))
        return turn_and_flip(image[window], label[window])


def turn_and_flip(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn a slice or volume by a random multiple of 90 degrees and mirror it along a random axis."""
    turns, axis = np.random.randint(4), np.random.randint(2)
    image, label = np.rot90(image, turns, axes=(-2, -1)), np.rot90(label, turns, axes=(-2, -1))
    return np.flip(image, axis - 2).copy(), np.flip(label, axis - 2).copy()


def batches_of(labeled: int, unlabeled: int, counts: tuple[int, int]) -> Iterator[list[int]]:
    """Yield indices of endless batches: some of the labeled samples, which come first, then some of the others."""
    streams = [_endless(range(labeled)), _endless(range(labeled, labeled + unlabeled))]
    while True:
        yield [next(stream) for stream, count in zip(streams, counts, strict=True) for _ in range(count)]


def _endless(indices: range) -> Iterator[int]:
    return itertools.chain.from_iterable(np.random.permutation(indices).tolist() for _ in itertools.count())


class ConcatenatingUpStage(UpStage):
    """The up stage of the 2D U-Net with the concatenation written out."""

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.block(torch.cat([skip, self.upsample(self.reduce(coarse))], dim=1))


def as_published(network: nn.Module) -> nn.Module:
    """Undo what this project's networks do for speed; parameters and results stay the same."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p))
            elif isinstance(child, UpStage):
                child.__class__ = ConcatenatingUpStage
    return network


def train(
    student: nn.Module, files: tuple[list[Path], list[Path]], patch: Sequence[int], batch: int, device: torch.device
) -> Iterator[None]:
    """Train Mean Teacher with `batch` labeled and as many unlabeled samples; yields after every step."""
    labeled, unlabeled = files
    loader = DataLoader(
        Samples([*labeled, *unlabeled], patch),
        batch_sampler=batches_of(len(labeled), len(unlabeled), (batch, batch)),
        num_workers=2,
        pin_memory=device.type == "cuda",
    )
    student = as_published(student).to(device).train()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), lr=LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
    for step, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        _step(student, teacher, optimizer, images, labels[:batch], step)
        yield


def _step(
    student: nn.Module, teacher: nn.Module, optimizer: torch.optim.SGD, images: Tensor, labels: Tensor, step: int
) -> None:
    clean, unlabeled = images[: len(labels)], images[len(labels) :]
    noise = torch.clamp(torch.randn_like(unlabeled) * 0.1, -0.2, 0.2)
    logits, unlabeled_logits = student(clean).logits, student(unlabeled).logits
    with torch.no_grad():
        teacher_probabilities = torch.softmax(teacher(unlabeled + noise).logits, dim=1)
    probabilities = torch.softmax(logits, dim=1)
    supervised = 0.5 * (functional.cross_entropy(logits, labels) + dice_loss(probabilities, labels))
    consistency = torch.mean((torch.softmax(unlabeled_logits, dim=1) - teacher_probabilities) ** 2)
    loss = supervised + 0.1 * consistency
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    decay = min(1 - 1 / (step + 1), EMA_DECAY)
    for averaged, parameter in zip(teacher.parameters(), student.parameters(), strict=True):
        averaged.data.mul_(decay).add_(parameter.data, alpha=1 - decay)
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE * (1 - step / STEPS) ** 0.9
    for value in (loss, supervised, consistency):
        value.item()


def dice_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the Dice loss of probabilities (B, C, ...) for labels (B, ...), the mean over classes."""
    total = probabilities.new_zeros(())
    for index in range(probabilities.shape[1]):
        target, score = (labels == index).float(), probabilities[:, index]
        overlap, sizes = torch.sum(score * target), torch.sum(score * score) + torch.sum(target * target)
        total = total + 1 - (2 * overlap + 1e-5) / (sizes + 1e-5)
    return total / probabilities.shape[1]
