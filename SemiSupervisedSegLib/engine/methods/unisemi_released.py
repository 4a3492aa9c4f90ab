"""UniSeMi as its authors' code trains it (``fidelity="released_code"``).

Stage 1 has labeled images only: beside L_sup, pairs of them are mixed by a box of two thirds of each side. The
synthetic task has its Dice on the mixture, and so have the prompts of both images, for which the other image's part
is background. Stage 2, which the authors' script leaves out by default, pastes boxes of labeled images into unlabeled
ones: there the answers of all tasks and of the synthetic one agree, and the latter is judged inside the boxes and on
mixtures of labeled images. Every image has a box of its own, and all Dice terms are of the structures only. Adam
forgets sooner. The network keeps its last decoder stage here, which the authors removed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.batch import Batch, Labeled
from ..losses.overlap import dice_loss, one_hot
from ..losses.prompts import aggregate_foregrounds, foreground_agreement, foreground_probability, prompted_loss
from ..networks.prompted import PromptFeatures
from ..tensors import append_axes, promote
from .method import Loss, Losses, Objective, Stage, TrainingStep
from .parts.masks import cutmix_mask
from .unisemi_paper import UniSeMi

PRETRAIN, SELFTRAIN = "pretrain", "selftrain"
PRETRAIN_SIDES = 2 / 3, 2 / 3
SELFTRAIN_SIDES = 0.3, 0.6
BETAS = 0.5, 0.999


class ReleasedUniSeMi(UniSeMi):
    """L_sup + Dice of mixtures, then with unlabeled images; a pair has one image of each half of the batch."""

    def stages(self) -> tuple[Stage, ...]:
        """Return the two stages, of the same length."""
        return Stage(PRETRAIN, "Learning from annotations", 0.5), Stage(SELFTRAIN, "Learning from all images", 0.5)

    def objectives(self) -> tuple[Objective, ...]:
        """Return the objective with the momenta of the authors' Adam."""
        return (Objective("segmentation", self.losses, self, {"adam_betas": BETAS}),)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and the losses of the stage that training is in."""
        features = self.student.encode(batch.labeled.images)
        losses = {"supervised": Loss(self.supervised(features, batch.labeled))}
        return losses | (self.pretraining(batch) if step.stage == PRETRAIN else self.selftraining(batch))

    def supervised(self, inputs: PromptFeatures, labeled: Labeled) -> Tensor:
        """Return Dice of the structures and cross-entropy of the labeled images, each prompted with its task."""
        tasks = self.tasks_of(labeled)
        labels = self.student.local_labels(labeled.labels, tasks)
        return prompted_loss(self.student.decode(inputs, tasks), labels, include_background=False)

    def pretraining(self, batch: Batch) -> Losses:
        """Return the Dice of the synthetic task and of both images' tasks on mixtures of the halves of the batch."""
        keep = self.boxes(batch.labeled.images.chunk(2)[0], *PRETRAIN_SIDES)
        features, labels = self.mix_halves(batch.labeled, keep)
        (first, second), (own, other) = batch.labeled.labels.chunk(2), self.tasks_of(batch.labeled).chunk(2)
        nothing = torch.zeros_like(labels)
        # Where both images have the same task, it is judged on the whole mixture.
        same = append_axes(own == other, labels)
        terms = []
        for tasks, part in ((own, torch.where(keep, first, nothing)), (other, torch.where(keep, nothing, second))):
            target = self.student.local_labels(torch.where(same, labels, part), tasks)
            terms.append(structures_dice(self.student.decode(features, tasks), target))
        return {
            "synthetic": Loss(self.synthetic_dice(features, labels)),
            "parts": Loss(torch.stack(terms).mean()),
        }

    def selftraining(self, batch: Batch) -> Losses:
        """Return the agreement of all tasks on boxes of labeled in unlabeled images, and Dice inside of the boxes."""
        labeled, unlabeled = batch.labeled, batch.unlabeled.images
        keep = self.boxes(unlabeled, *SELFTRAIN_SIDES)
        features = self.student.encode(torch.where(keep.unsqueeze(1), unlabeled, labeled.images))
        agreement = foreground_agreement(
            aggregate_foregrounds(self.task_foregrounds(features)),
            foreground_probability(self.synthetic_logits(features)),
            include_background=False,
        )
        pairs = self.mix_halves(labeled, self.boxes(labeled.images.chunk(2)[0], *SELFTRAIN_SIDES))
        return {
            "synthetic": Loss(self.synthetic_dice(features, labeled.labels, ~keep)),
            "synthetic_pairs": Loss(self.synthetic_dice(*pairs)),
            "unsupervised": Loss(agreement),
        }

    def boxes(self, images: Tensor, smallest: float, largest: float) -> Tensor:
        """Return a mask for each image, bool (B, *spatial), False in a box at a random place.

        Args:
            images: Images (B, C_in, *spatial).
            smallest: Smallest side of a box, as a share of the image.
            largest: Largest side of a box.
        """
        masks = [cutmix_mask(image, "zero_centered", smallest, largest) for image in images.split(1)]
        return torch.stack(masks) > 0

    def mix_halves(self, labeled: Labeled, keep: Tensor) -> tuple[PromptFeatures, Tensor]:
        """Return the features of pairs of images mixed with each other, and their labels (B / 2, *spatial).

        Args:
            labeled: Labeled images, an even number.
            keep: Masks (B / 2, *spatial), bool, False where the second half is pasted in.
        """
        (first, second), (labels, other_labels) = labeled.images.chunk(2), labeled.labels.chunk(2)
        features = self.student.encode(torch.where(keep.unsqueeze(1), first, second))
        return features, torch.where(keep, labels, other_labels)

    def synthetic_dice(self, features: PromptFeatures, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the Dice loss of the synthetic task.

        Args:
            features: Features of the images.
            labels: Class indices (B, *spatial).
            mask: Voxels that count, bool (B, *spatial); None for all.
        """
        return structures_dice(self.synthetic_logits(features), (labels > 0).long(), mask)


def structures_dice(logits: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the Dice loss of the structures, squared and joint over the batch.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Channel indices (B, *spatial).
        mask: Voxels that count, bool (B, *spatial); None for all.
    """
    target = one_hot(labels, logits.shape[1])
    return dice_loss(promote(logits).softmax(dim=1), target, mask, include_background=False)
