"""UniSeMi where every image shows the structures of all tasks (the setting "shared_anatomy"); not in the paper.

The paper's data sets show one organ each, or call the others background, so that a case of one task says nothing of
another. Where each image shows what others are annotated for, the published losses teach little: a prompt sees its
structure in the images of its own task only, learns by heart which images these are, and finds too little elsewhere.

Here every prompt has an answer for every image. On mixtures, labeled and unlabeled ones, it is taught what is annotated
and, where that is unknown, what it saw itself in the images before they were mixed: the pseudo masks of the paper's row
"with task information" (appendix B), the tasks of each image being all of them. Then the synthetic task learns from the
others and they not from it. Otherwise they find less (Docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.batch import Batch, Labeled
from ..losses.overlap import dice_loss, one_hot
from ..losses.prompts import prompted_loss
from ..networks.prompted import PromptFeatures
from ..tensors import append_axes
from .method import Loss, Losses, MethodContext, TrainingStep
from .unisemi_paper import UniSeMi, mixture


class SharedAnatomyUniSeMi(UniSeMi):
    """L_sup + L_unsup, and what each prompt is taught of the images of other tasks."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.consistency_learner = "synthetic"

    def encode_kinds(self, *kinds: Tensor) -> list[PromptFeatures]:
        """Return the features of labeled, mixed and unlabeled images (B, C_in, *spatial) from one pass for all."""
        return self.student.encode(torch.cat(kinds)).split([len(images) for images in kinds])

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the published losses, and those of all prompts on all mixtures."""
        encoded = self.encode(batch)
        with torch.no_grad():
            unlabeled = self.pseudo_labels(self.student.encode(batch.unlabeled.images))
        seen = self.pseudo_labels(encoded.labeled)
        labeled = self.completed_labels(seen, batch.labeled)
        unknown = mixture(self.other_structures(seen, batch.labeled), encoded.keep)
        answers, unlabeled_answers = self.task_logits(encoded.mixed), self.task_logits(encoded.unlabeled)
        return self.losses_from_features(encoded, batch, step, unknown) | {
            "parts": Loss(self.cut_mix_loss(answers, batch.labeled, encoded.keep)),
            "labeled_structures": Loss(agreement(answers, [mixture(mask, encoded.keep) for mask in labeled])),
            "unlabeled_structures": Loss(
                agreement(unlabeled_answers, [mixture(mask, encoded.keep_unlabeled) for mask in unlabeled])
            ),
        }

    def other_structures(self, seen: Tensor, labeled: Labeled) -> Tensor:
        """Return where other tasks than the image's own see a structure in its background, (B, *spatial) bool."""
        other_tasks = ~self.own_task(labeled)
        return ((seen > 0) & other_tasks).any(dim=0) & (labeled.labels == 0)

    def cut_mix_loss(self, answers: Sequence[Tensor], labeled: Labeled, keep: Tensor) -> Tensor:
        """Return Dice plus cross-entropy of every prompt on the parts of labeled mixtures whose image has its task.

        As in the first stage of the released code.

        Args:
            answers: Logits (B, outputs, *spatial) of the labeled mixtures for each task.
            labeled: Labeled images.
            keep: Mask (*spatial) of the mixtures.
        """
        labels, annotated = mixture(labeled.labels, keep), self.own_task(labeled)
        unknown = [~mixture(owned.expand(labels.shape), keep) for owned in annotated]
        terms = zip(answers, unknown, strict=True)
        losses = [
            prompted_loss(logits, self.channels(labels, task), there) for task, (logits, there) in enumerate(terms)
        ]
        return torch.stack(losses).mean()

    def completed_labels(self, seen: Tensor, labeled: Labeled) -> Tensor:
        """Return the channel of each voxel in the answers of each task (K, B, *spatial).

        It is known in images of that task and where any structure is annotated, which is no other structure.
        """
        annotated = self.own_task(labeled) | (labeled.labels > 0)
        channels = torch.stack([self.channels(labeled.labels, task) for task in range(len(self.tasks))])
        return torch.where(annotated, channels, seen)

    @torch.no_grad()
    def pseudo_labels(self, inputs: PromptFeatures) -> Tensor:
        """Return the most probable channel in the answers of each task (K, B, *spatial); constant."""
        return torch.stack([logits.argmax(dim=1) for logits in self.task_logits(inputs)])

    def channels(self, labels: Tensor, task: int) -> Tensor:
        """Return class indices (B, *spatial) as channels of the answers of a task."""
        return self.student.local_labels(labels, torch.full((len(labels),), task, device=labels.device))

    def own_task(self, labeled: Labeled) -> Tensor:
        """Return which images have each task (K, B, 1, ...)."""
        tasks = torch.arange(len(self.tasks), device=labeled.images.device)
        same_task = tasks.unsqueeze(1) == self.tasks_of(labeled)
        return append_axes(same_task, labeled.labels.unsqueeze(0))


def agreement(answers: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Return the Dice of each task's prediction (B, C, *spatial) with its mask (B, *spatial), mean over tasks."""
    pairs = zip(answers, masks, strict=True)
    return torch.stack(
        [dice_loss(logits.softmax(dim=1), one_hot(mask, logits.shape[1])) for logits, mask in pairs]
    ).mean()
