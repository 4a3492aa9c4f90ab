"""DAN: a discriminator must not distinguish predictions for unlabeled images from those for labeled ones.

Zhang et al., MICCAI 2017.
"""

from __future__ import annotations

import torch
from torch import nn

from ..data.batch import Batch
from ..networks.discriminator import Discriminator
from .method import Loss, Losses, Method, MethodContext, Objective, TrainingStep
from .parts.adversary import DISCRIMINATOR_OPTIMIZER, adversarial_loss, discriminator_loss
from .parts.batchnorm import eval_mode


class DeepAdversarialNetwork(Method):
    """L = L_sup + lambda(t) CE(D(p_u, x_u), "labeled"), and D learns to distinguish the two (equations 1 and 2)."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.discriminator = Discriminator(context.dimensions, context.num_classes, in_channels=1)

    def objectives(self) -> tuple[Objective, ...]:
        """Return the segmentation and, after it in each step, the discriminator with its own optimizer."""
        return (
            Objective("segmentation", self.losses, nn.ModuleList([self.student, self.supervised_loss])),
            Objective("discriminator", self.discriminator_losses, self.discriminator, DISCRIMINATOR_OPTIMIZER),
        )

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and how well the discriminator sees through the predictions for unlabeled images."""
        labeled, unlabeled = self.joint_pass(batch)
        probabilities = unlabeled.logits.softmax(dim=1)
        adversarial = adversarial_loss(self.discriminator, probabilities, batch.unlabeled.images)
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "adversarial": Loss(adversarial, self.consistency_weight(step)),
        }

    def discriminator_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the cross-entropy of the discriminator on constant predictions of the student in evaluation mode."""
        with eval_mode(self.student), torch.no_grad():
            labeled, unlabeled = self.joint_pass(batch)
        maps = torch.cat([labeled.logits, unlabeled.logits]).softmax(dim=1)
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        return {"discriminator": Loss(discriminator_loss(self.discriminator, maps, images, len(batch.labeled.images)))}


def build(context: MethodContext) -> Method:
    """Build the method."""
    return DeepAdversarialNetwork(context)
