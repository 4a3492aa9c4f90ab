"""SimCVD: student and teacher, told apart by dropout alone, agree on distances to boundaries and on what is alike.

You et al., IEEE Transactions on Medical Imaging 41, 2022. An approximate reconstruction: no code was published, and the
losses and weights are here as far as they are known.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.batch import Batch
from ..losses.consistency import probability_consistency
from ..losses.distances import distance_regression, signed_distance_maps
from ..losses.distillation import contrastive_distillation, pairwise_distillation
from ..networks.boundary_heads import Boundaries, BoundaryHeads
from ..networks.output import NetworkOutput
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.teacher import MeanTeacher, TeacherStudent


class ContrastiveDistillation(TeacherStudent):
    """L = L_sup + alpha L_sdm + lambda L_contrast + beta L_pd + gamma L_con, the last three on unlabeled images.

    L_sdm is the squared error of the signed distance maps. L_contrast pulls each slice's distances to those that the
    teacher predicts for the slice, and away from those of other slices; L_pd compares how alike the places of the
    bottleneck are, and L_con the probabilities.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.heads = BoundaryHeads(self.student)
        self.teacher_heads = MeanTeacher(self.heads, context.settings["ema_decay"])

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of both tasks on the annotations and what the student learns from its teacher."""
        labeled, unlabeled = self.joint_pass(batch)
        teacher, target = self.teacher_view(batch.unlabeled.images)
        seen: Boundaries = self.heads(unlabeled.decoder_full)
        contrast = contrastive_distillation(seen.slices, target.slices, self.settings["contrast_temperature"])
        alike = pairwise_distillation(unlabeled.bottleneck, teacher.bottleneck)
        consistency = probability_consistency(unlabeled.logits, teacher.logits)
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "distances": Loss(self.distance_loss(labeled, batch.labeled.labels), self.settings["distance_weight"]),
            "contrast": Loss(contrast, self.settings["contrast_weight"]),
            "pairwise": Loss(alike, self.settings["pairwise_weight"]),
            "consistency": Loss(consistency, self.settings["agreement_weight"]),
        }

    def distance_loss(self, labeled: NetworkOutput, labels: Tensor) -> Tensor:
        """Return L_sdm of an output of the student for class indices (B, *spatial)."""
        predicted: Boundaries = self.heads(labeled.decoder_full)
        return distance_regression(predicted.distances, signed_distance_maps(labels, self.num_classes))

    @torch.no_grad()
    def teacher_view(self, images: Tensor) -> tuple[NetworkOutput, Boundaries]:
        """Return the teacher's output for images (B, C_in, *spatial) and what its heads predict."""
        output = self.teacher(images)
        return output, self.teacher_heads.network(output.decoder_full)

    def after_step(self, step: TrainingStep) -> None:
        """Average the student and its heads into the teacher."""
        super().after_step(step)
        self.teacher_heads.update(self.heads, step.index)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return ContrastiveDistillation(context)
