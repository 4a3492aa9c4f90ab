"""CPCL: cyclic prototype consistency learning.

Xu et al., IEEE JBHI 2022.
Ablations of its Table II by settings: MT, F-PCL, B-PCL, MT-F-PCL, MT-B-PCL, MT-C-PCL and CPCL are the
combinations of ``use_mean_teacher``, ``use_forward`` and ``use_backward``.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from ..data.batch import Batch, Labeled
from ..losses.consistency import probability_consistency
from ..losses.overlap import one_hot
from ..losses.prototypes import (
    Prototypes,
    has_two_classes,
    image_mean_prototypes,
    prototype_cross_entropy,
    prototype_logits,
)
from ..networks.output import FeatureLevel, NetworkOutput
from ..tensors import promote
from .cpcl_released import ReleasedCPCL
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.teacher import TeacherStudent


class CPCL(TeacherStudent):
    """L = L_s + lambda(t) (L_fpc + beta L_bpc): labels supervise unlabeled images through prototypes and back."""

    prototype_level: ClassVar[FeatureLevel] = "bottleneck"

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_s, the forward and the backward prototype consistency, and L_mt in an ablation."""
        weight = self.consistency_weight(step)
        student = self.student(batch.labeled.images)
        losses = {"supervised": Loss(self.supervised_loss(student, batch.labeled.labels))}

        if self.settings["use_forward"] or self.settings["use_backward"]:
            teacher = self.teacher(batch.unlabeled.images)
            if self.settings["use_forward"]:
                losses["forward_prototype"] = Loss(self.forward_consistency(student, batch.labeled, teacher), weight)
            if self.settings["use_backward"]:
                backward = self.backward_consistency(student, batch.labeled, teacher)
                losses["backward_prototype"] = Loss(backward, weight * self.settings["beta"])
        if self.settings["use_mean_teacher"]:
            student_logits = self.student(self.noisy(batch.unlabeled.images)).logits
            teacher_logits = self.teacher(self.noisy(batch.unlabeled.images)).logits
            losses["consistency"] = Loss(probability_consistency(student_logits, teacher_logits), weight)
        return losses

    def forward_consistency(self, student: NetworkOutput, labeled: Labeled, teacher: NetworkOutput) -> Tensor:
        """Return L_fpc: labeled prototypes segment the unlabeled images (equations 3 to 6).

        The gradient runs through the labeled prototypes into the student's encoder; the teacher's features and
        probabilities are constants. A class that no labeled image of the batch contains is predicted nowhere.
        """
        masks = one_hot(labeled.labels, self.num_classes)
        prototypes = image_mean_prototypes(self.prototype_features(student), masks)
        logits = self._propagate(self.prototype_features(teacher), prototypes, teacher.logits)
        return has_two_classes(prototypes) * functional.mse_loss(
            logits.softmax(dim=1), promote(teacher.logits).softmax(dim=1)
        )

    def backward_consistency(self, student: NetworkOutput, labeled: Labeled, teacher: NetworkOutput) -> Tensor:
        """Return L_bpc: unlabeled prototypes segment the labeled images, whose labels judge them (equations 7 to 10).

        The prototypes come from the teacher's own pseudo labels and are constants; the gradient runs through the
        student's features of the labeled images into its encoder.
        """
        pseudo_labels = one_hot(teacher.logits.argmax(dim=1), self.num_classes)
        prototypes = image_mean_prototypes(self.prototype_features(teacher), pseudo_labels)
        logits = self._propagate(self.prototype_features(student), prototypes, student.logits)
        return has_two_classes(prototypes) * prototype_cross_entropy(logits, labeled.labels, prototypes.valid)

    def _propagate(self, features: Tensor, prototypes: Prototypes, like: Tensor) -> Tensor:
        return prototype_logits(features, prototypes, like.shape[2:], self.settings["similarity_scale"])


def build(context: MethodContext) -> Method:
    """Build the method as published or as released."""
    return ReleasedCPCL(context) if context.follows_released_code else CPCL(context)
