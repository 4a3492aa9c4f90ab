"""ASE-Net: a student agrees with itself and its teacher, and two discriminators find no difference.

Lei et al., IEEE Transactions on Medical Imaging 41, 2022. An approximate reconstruction: where the dynamic convolution
lies in the network and the weights of the two adversarial losses are choices of this project.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ...planning.networks import NetworkSpec
from ..data.batch import Batch
from ..losses.consistency import probability_consistency
from ..networks.base import SegmentationNetwork
from ..networks.discriminator import Discriminator
from ..networks.dynamic_convolution import with_dynamic_convolution
from .method import Loss, Losses, Method, MethodContext, Objective, TrainingStep, total
from .parts.adversary import DISCRIMINATOR_OPTIMIZER, adversarial_loss, discriminator_loss
from .parts.teacher import TeacherStudent


class AdversarialSelfEnsembling(TeacherStudent):
    """L = L_sup + lambda(t) (L_con + L_D1 + L_D2), and D1 and D2 learn to see what L_D1 and L_D2 hide.

    L_con is the mean of three squared differences: of the student's predictions for an unlabeled image and for the same
    with noise, and of each of them and the teacher's for the latter. D1 tells predictions for labeled images from those
    for unlabeled ones; D2 tells the teacher's for images without noise from the student's for images with noise. All
    are judged together with the image without noise, for noise would betray where a prediction comes from.

    The released code for volumes has one channel, whose softmax makes L_con 0; here volumes are treated as slices.
    """

    def __init__(self, context: MethodContext) -> None:
        def build(**options: str) -> SegmentationNetwork:
            return with_dynamic_convolution(context.build_network(**options))

        super().__init__(replace(context, build_network=build))
        self._judged: tuple[Tensor, ...] = ()
        self.discriminators = nn.ModuleList(
            Discriminator(context.dimensions, context.num_classes, in_channels=1) for _ in range(2)
        )

    def network_spec(self, planned: NetworkSpec) -> NetworkSpec:
        """Return the planned network with a dynamic convolution."""
        return replace(planned, dynamic=True)

    def objectives(self) -> tuple[Objective, ...]:
        """Return the segmentation and, after it in each step, both discriminators with an optimizer of their own."""
        return (
            Objective("segmentation", self.losses, nn.ModuleList([self.student, self.supervised_loss])),
            Objective("discriminators", self.discriminator_losses, self.discriminators, DISCRIMINATOR_OPTIMIZER),
        )

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup, L_con and how well each discriminator sees through the student's predictions."""
        images, count = batch.unlabeled.images, len(batch.labeled.images)
        disturbed = self.noisy(images)
        labeled, others = self.student(torch.cat([batch.labeled.images, images, disturbed])).split(count)
        clean, noisy = others.split(len(images))
        teacher_clean, teacher_noisy = self.teacher(torch.cat([images, disturbed])).split(len(images))
        pairs = ((clean, noisy), (clean, teacher_noisy), (noisy, teacher_noisy))
        consistency = total(probability_consistency(first.logits, second.logits) for first, second in pairs) / 3
        maps = [output.logits.softmax(dim=1) for output in (labeled, clean, teacher_clean, noisy)]
        self._judged = tuple(each.detach() for each in maps)
        weight = self.consistency_weight(step)
        first, second = self.discriminators
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "consistency": Loss(consistency, weight),
            "adversarial_labeled": Loss(adversarial_loss(first, maps[1], images), weight),
            "adversarial_teacher": Loss(adversarial_loss(second, maps[3], images), weight),
        }

    def discriminator_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the cross-entropy of each discriminator on the predictions that the segmentation was judged by."""
        labeled, clean, teacher_clean, noisy = self._judged
        images = batch.unlabeled.images
        first, second = self.discriminators
        return {
            "discriminator_labeled": judged(first, (labeled, clean), (batch.labeled.images, images)),
            "discriminator_teacher": judged(second, (teacher_clean, noisy), (images, images)),
        }


def judged(discriminator: nn.Module, maps: tuple[Tensor, Tensor], images: tuple[Tensor, Tensor]) -> Loss:
    """Return the loss of a discriminator that tells one kind of predictions from another.

    Args:
        discriminator: Discriminator that learns.
        maps: Probabilities (B, C, *spatial) of the first and of the second kind.
        images: Images (B, C_in, *spatial) of both.
    """
    return Loss(discriminator_loss(discriminator, torch.cat(maps), torch.cat(images), len(maps[0])))


def build(context: MethodContext) -> Method:
    """Build the method."""
    return AdversarialSelfEnsembling(context)
