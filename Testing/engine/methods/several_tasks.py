"""UniSeMi on cases that are annotated for different tasks."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import Method, MethodContext
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.methods.unisemi_paper import UniSeMi
from SemiSupervisedSegLib.jobs.catalogue import resolve
from SemiSupervisedSegLib.planning.tasks import UNKNOWN_TASK

from .checks import MethodChecks
from .toys import SIZES, toy_images, toy_labels, toy_network

TASKS = ((1,), (2,), (1, 3))


def of_tasks(method_id: str, dimensions: int = 2, tasks=TASKS, **settings: Any) -> Method:
    """Build a method on toy networks for images of several tasks."""
    values = resolve(method_id, "standard", settings, dimensions)
    context = MethodContext(partial(toy_network, dimensions, 4), 4, dimensions, values, tasks)
    return build_method(method_id, context).train()


def unisemi(dimensions: int = 2, tasks=TASKS, known: bool = True, **settings: Any) -> UniSeMi:
    """Build the method as published, if the settings do not say otherwise."""
    values = resolve("unisemi", "standard", {"shared_anatomy": False, **settings}, dimensions)
    context = MethodContext(lambda: toy_network(dimensions, 4), 4, dimensions, values, tasks, known)
    return build_method("unisemi", context).train()


def partial_batch(dimensions: int = 2, labels: torch.Tensor | None = None) -> Batch:
    """Three images of three tasks; a label that the task does not have is background."""
    full = toy_labels(3, SIZES[dimensions], 4) if labels is None else labels
    pairs = zip(full, TASKS, strict=True)
    own = torch.stack([image * sum((image == index).long() for index in task) for image, task in pairs])
    unlabeled_tasks = torch.tensor([0, 1, UNKNOWN_TASK])
    return Batch(Labeled(toy_images(full), own, torch.arange(3)), Unlabeled(toy_images(full.flip(-1)), unlabeled_tasks))


def paired_batch(dimensions: int = 2) -> Batch:
    """Four images, of which the first and the third have the same task."""
    batch, other = partial_batch(dimensions), partial_batch(dimensions)
    order = torch.tensor([0, 1, 0, 2])
    labeled = Labeled(
        torch.cat([batch.labeled.images, other.labeled.images])[torch.tensor([0, 1, 3, 2])],
        batch.labeled.labels[order],
        batch.labeled.tasks[order],
    )
    images = torch.cat([batch.unlabeled.images, other.unlabeled.images[:1]])
    return Batch(labeled, Unlabeled(images, torch.full((4,), UNKNOWN_TASK)))


def softmax(logits: torch.Tensor) -> np.ndarray:
    return logits.detach().double().softmax(dim=1).numpy()


def dice_loss(first: np.ndarray, second: np.ndarray) -> float:
    pairs = zip(np.moveaxis(first, 1, 0), np.moveaxis(second, 1, 0), strict=True)
    return float(np.mean([1 - (2 * (p * q).sum() + 1e-5) / ((p * p).sum() + (q * q).sum() + 1e-5) for p, q in pairs]))


def two_channels(foreground: np.ndarray) -> np.ndarray:
    return np.stack([1 - foreground, foreground], axis=1)


def fixed_mask(method: UniSeMi, images: torch.Tensor) -> torch.Tensor:
    keep = torch.ones(images.shape[2:])
    keep[..., : keep.shape[-1] // 2] = 0
    method.mask = lambda _: keep
    return keep


def prompts_reached(method: UniSeMi, loss: torch.Tensor) -> list[bool]:
    """Which prompts get a gradient: each has a column of the controller."""
    method.zero_grad()
    loss.backward(retain_graph=True)
    columns = method.student.head.controller.weight.grad[:, -method.student.head.prompts :]
    return (columns.abs().amax(dim=0) > 0).tolist()


class SeveralTasksChecks(MethodChecks):
    """The checks of a form of UniSeMi on several tasks; of the labels each image keeps those of its task."""

    method = "unisemi"
    overfit_share = 0.5

    def build(self, variant: str, dimensions: int = 2, classes: int = 4, **settings: Any) -> UniSeMi:
        return unisemi(dimensions, **{**self.variants[variant], **settings})

    def batch(self, labels: torch.Tensor) -> Batch:
        return partial_batch(labels.dim() - 1, torch.cat([labels, labels[:1]]))

    def make_optimizer(self, method: UniSeMi) -> torch.optim.Optimizer:
        return torch.optim.Adam(method.parameters(), lr=0.02)


def own_channels(logits: np.ndarray, tasks: torch.Tensor) -> np.ndarray:
    """Return logits of which those of structures that are not of an image's task count for nothing."""
    own = np.ones(logits.shape[:2], dtype=bool)
    for image, task in enumerate(tasks.tolist()):
        if task != UNKNOWN_TASK:
            own[image] = [label in (0, *TASKS[task]) for label in range(logits.shape[1])]
    return np.where(own.reshape(*own.shape, *(1,) * (logits.ndim - 2)), logits, -1e4)
