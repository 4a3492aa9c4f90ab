"""SASSNet: predicted distances to the boundary must look alike for unlabeled and for labeled images.

Li et al., MICCAI 2020.
"""

from __future__ import annotations

import torch
from torch import nn

from ..data.batch import Batch
from ..networks.discriminator import Discriminator
from .method import Loss, Losses, Method, MethodContext, Objective, TrainingStep
from .parts.adversary import DISCRIMINATOR_OPTIMIZER, adversarial_loss, discriminator_loss
from .parts.batchnorm import eval_mode
from .parts.two_tasks import SegmentationAndDistances


class ShapeAwareSegmentation(SegmentationAndDistances):
    """L = Dice(p, y) + alpha MSE(z, SDF(y)) + lambda(t) CE(D(z_u, x_u), "labeled"), and D learns to tell them apart.

    Published for one structure; with more, each has a distance map of its own and D sees all of them. Distances are
    counted in voxels.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.discriminator = Discriminator(context.dimensions, context.num_classes - 1, in_channels=1)

    def objectives(self) -> tuple[Objective, ...]:
        """Return the segmentation and, after it in each step, the discriminator with its own optimizer."""
        segmenter = nn.ModuleList([self.student, self.distance_head])
        return (
            Objective("segmentation", self.losses, segmenter),
            Objective("discriminator", self.discriminator_losses, self.discriminator, DISCRIMINATOR_OPTIMIZER),
        )

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of both tasks on the annotations and the adversarial one on the unlabeled images."""
        labeled, unlabeled = self.joint_pass(batch)
        adversarial = adversarial_loss(self.discriminator, self.distances(unlabeled), batch.unlabeled.images)
        return {
            **self.supervised_losses(labeled, batch),
            "adversarial": Loss(adversarial, self.consistency_weight(step)),
        }

    def discriminator_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the cross-entropy of the discriminator on constant distances of the student in evaluation mode."""
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        with eval_mode(self.student), torch.no_grad():
            maps = self.distances(self.student(images))
        return {"discriminator": Loss(discriminator_loss(self.discriminator, maps, images, len(batch.labeled.images)))}


def build(context: MethodContext) -> Method:
    """Build the method."""
    return ShapeAwareSegmentation(context)
