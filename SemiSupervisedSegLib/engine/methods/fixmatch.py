"""FixMatch: what the network is confident of on weakly changed images, it learns on strongly changed ones.

Sohn et al., NeurIPS 2020, a method for whole images; here every voxel has its pseudo-label.
"""

from __future__ import annotations

import torch

from ..data.batch import Batch
from ..losses.overlap import supervised_loss
from ..losses.pseudo_labels import (
    background_where_doubtful,
    complementary_loss,
    confident_classes,
    confident_cross_entropy,
)
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.batchnorm import frozen_statistics
from .parts.views import strong_view


class FixMatch(Method):
    """L = L_sup + lambda mean 1(max q >= tau) CE(p, argmax q) with q of weak and p of strong views (equations 3 and 4).

    Weak views are the images as the training shows them. Strong views differ from them in intensity only, so that every
    voxel of both is the same place.
    """

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup on weak views, the loss on confident pseudo-labels, and how much of the images they cover."""
        with torch.no_grad(), frozen_statistics(self.student):
            weak = self.student(batch.unlabeled.images).logits
        classes, confident = confident_classes(weak, self.settings["confidence"])
        strong = strong_view(batch.unlabeled.images, self.settings["view_strength"])
        labels = batch.labeled.labels
        labeled, learning = self.student(torch.cat([batch.labeled.images, strong])).split(len(labels))
        pseudo = confident_cross_entropy(learning.logits, classes, confident)
        return {
            "supervised": Loss(self.supervised_loss(labeled, labels)),
            "pseudo": Loss(pseudo, self.consistency_weight(step)),
            "confident_share": Loss(confident.mean(), 0.0),
        }


class BenchmarkFixMatch(FixMatch):
    """FixMatch as the public benchmark of medical methods has it.

    L = CE + Dice + lambda(t) (CE + Dice of pseudo-labels + complementary loss of all images). Doubtful places become
    background. The strong views have a pass of their own.
    """

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses on annotations and on pseudo-labels, and the complementary loss."""
        images, labels = torch.cat([batch.labeled.images, batch.unlabeled.images]), batch.labeled.labels
        weak, strong = self.student(images), self.student(strong_view(images, self.settings["view_strength"]))
        labeled, unlabeled = weak.split(len(labels))
        _, learning = strong.split(len(labels))
        pseudo_labels = background_where_doubtful(unlabeled.logits, self.settings["confidence"])
        weight = self.consistency_weight(step)
        return {
            "supervised": Loss(self.supervised_loss(labeled, labels), 2.0),
            "pseudo": Loss(supervised_loss(learning.logits, pseudo_labels), 2 * weight),
            "complementary": Loss(complementary_loss(weak.logits, strong.logits), weight),
        }


def build(context: MethodContext) -> Method:
    """Build the form of the method that the settings ask for."""
    return BenchmarkFixMatch(context) if context.follows_released_code else FixMatch(context)
