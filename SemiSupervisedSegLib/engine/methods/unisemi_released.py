"""UniSeMi as its authors' code trains it (``fidelity="released_code"``).

Stage 1 has labeled images only, mixed by a box of two thirds of each side: beside L_sup, the synthetic task has its
Dice on the mixture, and the prompts of both images have theirs, each on its own part. Stage 2, which the authors'
script leaves out by default, mixes labeled with unlabeled images: the answers of all tasks and of the synthetic one
agree there, and the latter is judged on the labeled part. Adam forgets sooner. The network keeps its last decoder stage
here, which the authors removed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.batch import Batch, Labeled
from ..losses.overlap import dice_loss, one_hot
from ..losses.prompts import aggregate_foregrounds, foreground_agreement, foreground_probability
from ..tensors import append_axes
from .method import Loss, Losses, Objective, Stage, TrainingStep
from .parts.masks import cutmix_mask, paste
from .unisemi_paper import UniSeMi, mixture

PRETRAIN, SELFTRAIN = "pretrain", "selftrain"
PRETRAIN_SIDE = 2 / 3
SELFTRAIN_SIDES = 0.3, 0.6
BETAS = 0.5, 0.999


class ReleasedUniSeMi(UniSeMi):
    """L_sup + Dice of the mixtures, then with unlabeled images; the labeled and unlabeled images come in pairs."""

    def stages(self) -> tuple[Stage, ...]:
        """Return the two stages, of the same length."""
        return Stage(PRETRAIN, "Learning from annotations", 0.5), Stage(SELFTRAIN, "Learning from all images", 0.5)

    def objectives(self) -> tuple[Objective, ...]:
        """Return the objective with the momenta of the authors' Adam."""
        return (Objective("segmentation", self.losses, self, {"adam_betas": BETAS}),)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and the losses of the stage that training is in."""
        own = self.student.encode(batch.labeled.images)
        losses = {"supervised": Loss(self.supervised(own, batch.labeled))}
        return losses | (self.pretraining(batch) if step.stage == PRETRAIN else self.selftraining(batch))

    def pretraining(self, batch: Batch) -> Losses:
        """Return the Dice of the synthetic task and of both images' tasks on mixed labeled images."""
        labeled, tasks = batch.labeled, self.tasks_of(batch.labeled)
        keep = cutmix_mask(labeled.images, "zero_centered", PRETRAIN_SIDE, PRETRAIN_SIDE)
        inputs = self.student.encode(mixture(labeled.images, keep))
        everywhere = keep.expand(labeled.labels.shape)
        synthetic = _dice(self.synthetic_logits(inputs), mixture((labeled.labels > 0).long(), keep))
        terms = []
        for prompts, part in ((tasks, everywhere), (tasks.roll(1), 1 - everywhere)):
            # Two images of one task are judged together.
            same = append_axes(tasks == tasks.roll(1), part)
            labels = self.student.local_labels(mixture(labeled.labels, keep), prompts)
            terms.append(_dice(self.student.decode(inputs, prompts), labels, torch.where(same, 1.0, part)))
        return {"synthetic": Loss(synthetic), "parts": Loss(torch.stack(terms).mean())}

    def selftraining(self, batch: Batch) -> Losses:
        """Return the agreement of all tasks where unlabeled boxes are in labeled images, and Dice around these."""
        labeled = _first(batch.labeled, len(batch.unlabeled.images))
        keep = cutmix_mask(labeled.images, "zero_centered", *SELFTRAIN_SIDES)
        inputs = self.student.encode(paste(labeled.images, batch.unlabeled.images[: len(labeled.images)], keep))
        answer = self.synthetic_logits(inputs)
        agreement = foreground_agreement(
            aggregate_foregrounds(self.task_foregrounds(inputs)), foreground_probability(answer)
        )
        synthetic = _dice(answer, (labeled.labels > 0).long(), keep.expand(labeled.labels.shape))
        return {"synthetic": Loss(synthetic), "unsupervised": Loss(agreement)}


def _dice(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    return dice_loss(logits.float().softmax(dim=1), one_hot(labels, logits.shape[1]), mask)


def _first(labeled: Labeled, count: int) -> Labeled:
    return Labeled(labeled.images[:count], labeled.labels[:count])
