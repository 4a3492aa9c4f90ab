"""UA-MT: a mean teacher that is followed only where it is certain.

Yu et al., MICCAI 2019.
The teacher answers several times with dropout and noise; voxels whose mean answer has a low entropy count.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..data.batch import Batch
from ..losses.consistency import certain_probability_consistency, predictive_entropy
from ..losses.overlap import structures_loss, supervised_loss
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.ramps import gaussian_ramp
from .parts.teacher import TeacherStudent

FIRST_SHARE = 0.75
"""The threshold rises from three quarters of the largest entropy to all of it (section 2.2)."""


class UncertaintyAwareMeanTeacher(TeacherStudent):
    """L = L_sup + lambda(t) L_c, the consistency being taken over the certain voxels (equations 1 and 4).

    With ``fidelity="released_code"`` the teacher answers on doubled batches, which share batch statistics.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.follows_released_code = context.follows_released_code

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and L_c on the unlabeled images, and the share of certain voxels."""
        labeled, unlabeled = self.joint_pass(batch)
        target = self.teacher(self.noisy(batch.unlabeled.images)).logits
        certain = (self.uncertainty(batch.unlabeled.images) < self.threshold(step)).float()
        consistency = certain_probability_consistency(unlabeled.logits, target, certain)
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels, self.supervised)),
            "consistency": Loss(consistency, self.consistency_weight(step)),
            "certain_share": Loss(certain.mean(), 0.0),
        }

    def uncertainty(self, images: Tensor) -> Tensor:
        """Return U (B, *spatial), the entropy in nats of the mean of T answers with dropout and noise (equation 3)."""
        passes, at_once = self.settings["stochastic_passes"], 2 if self.follows_released_code else 1
        mean = torch.zeros((), device=images.device)
        for done in range(0, passes, at_once):
            copies = torch.cat([images] * min(at_once, passes - done))
            probabilities = promote(self.teacher(self.noisy(copies)).logits).softmax(dim=1)
            mean = mean + probabilities.unflatten(0, (-1, len(images))).sum(dim=0) / passes
        return predictive_entropy(mean)

    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return L_sup of logits (B, C, *spatial); the authors' Dice, of volumes, is that of the structures only."""
        of_structures = self.follows_released_code and labels.dim() == 4
        return (structures_loss if of_structures else supervised_loss)(logits, labels)

    def threshold(self, step: TrainingStep) -> float:
        """Return H, which rises from 0.75 ln C to ln C; the paper's ln 2 is that of its two classes."""
        ramp = gaussian_ramp(step.index, step.total_steps)
        return (FIRST_SHARE + (1 - FIRST_SHARE) * ramp) * math.log(self.num_classes)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return UncertaintyAwareMeanTeacher(context)
