"""UniSeMi: one network for several tasks, each case being annotated for one of them.

UniSeMi 2023, later called VerSemi. A task is a structure or a
group of structures. A dynamic head answers prompts; prompt k < K selects task k and prompt K the synthetic task
"any structure", which is learned on labeled images mixed with each other and lets unlabeled images of unknown task
take part. Where the paper is silent: the Dice is squared and batch-joint, one mask is drawn per step and stream, an
image is mixed with the next one of its batch, and an unlabeled image whose task is not known although task information
is asked for gets the aggregated answer as its pseudo mask.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ...planning.networks import NetworkSpec
from ...planning.tasks import UNKNOWN_TASK
from ...study.errors import UserError
from ..data.batch import Batch, Labeled
from ..losses.prompts import aggregate_foregrounds, foreground_agreement, foreground_probability, prompted_loss
from ..networks.prompted import PromptedNetwork, PromptFeatures
from ..tensors import append_axes
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.masks import cutmix_mask, paste

ONE_TASK = (
    "All labeled cases are annotated for the same structures, so there is one task only: no other task helps it, and "
    "images without annotation teach little, because two answers of one network agree soon. UniSeMi pays off when "
    "cases are annotated for different structures; another method may do better here."
)


class EncodedBatch(NamedTuple):
    """The features of all images of a step.

    Attributes:
        labeled: Features of the labeled images.
        mixed: Features of the labeled images mixed with each other.
        unlabeled: Features of the unlabeled images mixed with each other.
        keep: Mask M (*spatial) of the labeled mixtures.
        keep_unlabeled: Mask M (*spatial) of the unlabeled mixtures.
    """

    labeled: PromptFeatures
    mixed: PromptFeatures
    unlabeled: PromptFeatures
    keep: Tensor
    keep_unlabeled: Tensor


class UniSeMi(Method):
    """L = L_sup + L_unsup (equation 8), L_sup on the labeled images and on their mixtures (equation 5)."""

    student: PromptedNetwork

    def __init__(self, context: MethodContext) -> None:
        tasks = context.tasks or (tuple(range(1, context.num_classes)),)

        def build() -> PromptedNetwork:
            return PromptedNetwork(context.build_network(), context.num_classes, tasks)

        super().__init__(replace(context, build_network=build))
        self.tasks = tasks
        self.shared_anatomy = context.settings["shared_anatomy"]
        self.consistency_learner = context.settings["consistency_learner"]
        if context.settings["with_task_information"] and not context.unlabeled_tasks_known:
            raise UserError(
                "The tasks of the unlabeled images are to be used, and no unlabeled case says what it was taken for.",
                'Name the structures of unlabeled cases, or set "with_task_information" to false.',
            )

    def network_spec(self, planned: NetworkSpec) -> NetworkSpec:
        """Return the planned network with a head for the tasks."""
        return replace(planned, tasks=self.tasks)

    def warnings(self) -> tuple[str, ...]:
        """Return a warning about the missing losses when there is a single task."""
        return (ONE_TASK,) if len(self.tasks) == 1 else ()

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup of the images and of their mixtures, and L_unsup."""
        return self.losses_from_features(self.encode(batch), batch, step)

    def losses_from_features(
        self, encoded: EncodedBatch, batch: Batch, step: TrainingStep, unknown: Tensor | None = None
    ) -> Losses:
        """Return the losses of images that are encoded already.

        Args:
            encoded: Features of the images.
            batch: Batch of the images.
            step: Place of the step in the training.
            unknown: Voxels of the labeled mixtures that do not count in `synthetic`, bool (B, *spatial).
        """
        weight = self.consistency_weight(step)
        return {
            "supervised": Loss(self.supervised(encoded.labeled, batch.labeled)),
            "synthetic": Loss(self.synthetic(encoded, batch.labeled, unknown)),
            "unsupervised": Loss(self.unsupervised(encoded.unlabeled, batch, encoded.keep_unlabeled), weight),
            "mixed_share": Loss(1 - encoded.keep_unlabeled.mean(), 0.0),
        }

    def encode(self, batch: Batch) -> EncodedBatch:
        """Mix the images (equations 3, 4 and 6) and encode them, each kind with batch statistics of its own."""
        keep, keep_unlabeled = self.mask(batch.labeled.images), self.mask(batch.unlabeled.images)
        images = (
            batch.labeled.images,
            mixture(batch.labeled.images, keep),
            mixture(batch.unlabeled.images, keep_unlabeled),
        )
        labeled, mixed, unlabeled = self.encode_kinds(*images)
        return EncodedBatch(labeled, mixed, unlabeled, keep, keep_unlabeled)

    def encode_kinds(self, *kinds: Tensor) -> list[PromptFeatures]:
        """Return the features of labeled, mixed and unlabeled images (B, C_in, *spatial)."""
        return [self.student.encode(images) for images in kinds]

    def mask(self, images: Tensor) -> Tensor:
        """Draw the mask M (*spatial) of equations 3, 4 and 6.

        Args:
            images: Images (B, C_in, *spatial) of the size of the mask.
        """
        settings = self.settings
        return cutmix_mask(images, settings["mask_kind"], settings["smallest_mask"], settings["largest_mask"])

    def supervised(self, inputs: PromptFeatures, labeled: Labeled) -> Tensor:
        """Return L_sup of the labeled images, each prompted with its own task (equation 5)."""
        tasks = self.tasks_of(labeled)
        return prompted_loss(self.student.decode(inputs, tasks), self.student.local_labels(labeled.labels, tasks))

    def synthetic(self, encoded: EncodedBatch, labeled: Labeled, unknown: Tensor | None = None) -> Tensor:
        """Return L_sup of the synthetic task: any structure in mixed labeled images (equations 3 to 5).

        Voxels of the mixtures that are ``unknown``, (B, *spatial) bool, do not count.
        """
        target = mixture((labeled.labels > 0).long(), encoded.keep)
        return prompted_loss(self.synthetic_logits(encoded.mixed), target, unknown)

    def unsupervised(self, mixed: PromptFeatures, batch: Batch, keep: Tensor) -> Tensor:
        """Return L_unsup: the aggregated prediction of all tasks agrees with the synthetic task's (equations 6, 7, 9).

        Neither is a target: by default the gradient runs into both. With task information, the target is the mixture
        of the pseudo masks that each image gets from its own task (appendix B).

        Args:
            mixed: Features of the unlabeled images mixed with each other.
            batch: Batch of the images.
            keep: Mask (*spatial) of the mixtures.
        """
        synthetic = foreground_probability(self.synthetic_logits(mixed))
        if self.settings["with_task_information"]:
            return foreground_agreement(mixture(self.pseudo_masks(batch), keep), synthetic)
        aggregated = aggregate_foregrounds(self.task_foregrounds(mixed), soft=self.settings["soft_maximum"])
        if self.consistency_learner == "synthetic":
            aggregated = aggregated.detach()
        elif self.consistency_learner == "tasks":
            synthetic = synthetic.detach()
        return foreground_agreement(aggregated, synthetic)

    @torch.no_grad()
    def pseudo_masks(self, batch: Batch) -> Tensor:
        """Return what its own task sees in each unlabeled image, 0 or 1 (B, *spatial); constant."""
        foregrounds, tasks = self.task_foregrounds(self.student.encode(batch.unlabeled.images)), batch.unlabeled.tasks
        assert tasks is not None, "batches of several tasks name them"
        chosen = foregrounds[tasks.clamp_min(0), torch.arange(len(tasks), device=tasks.device)]
        has_task = append_axes(tasks != UNKNOWN_TASK, chosen)
        return (torch.where(has_task, chosen, aggregate_foregrounds(foregrounds)) > 0.5).float()

    def task_foregrounds(self, inputs: PromptFeatures) -> Tensor:
        """Return the foreground probability that each task gives, (K, B, *spatial)."""
        return torch.stack([foreground_probability(logits) for logits in self.task_logits(inputs)])

    def task_logits(self, inputs: PromptFeatures) -> list[Tensor]:
        """Return the logits (B, outputs, *spatial) that each task gives."""
        return [self.student.decode_task(inputs, task) for task in range(len(self.tasks))]

    def synthetic_logits(self, inputs: PromptFeatures) -> Tensor:
        """Return the logits of background and any structure, (B, 2, *spatial)."""
        return self.student.decode_task(inputs, self.student.synthetic)[:, :2]

    def tasks_of(self, labeled: Labeled) -> Tensor:
        """Return the task of each labeled image (B,)."""
        if labeled.tasks is None:
            return torch.zeros(len(labeled.images), dtype=torch.long, device=labeled.images.device)
        return labeled.tasks


def mixture(values: Tensor, keep: Tensor) -> Tensor:
    """Mix each image of a batch with the next one: X_i M + X_j (1 - M) (equations 3, 4 and 6).

    Args:
        values: Images or features (B, C, *spatial), or labels (B, *spatial).
        keep: Mask M (*spatial) of 0 and 1.
    """
    return paste(values, values.roll(1, dims=0), keep)
