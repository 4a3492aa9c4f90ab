"""CPCL as its authors' later re-implementation trains it (``fidelity="released_code"``).

It differs from the paper in what reaches the student: stored feature maps and prototypes are detached, so both
prototype losses carry no gradient and training amounts to L_s plus a mean-teacher term on the logits of *all*
images (teacher noisy, student clean). Prototypes are confidence-weighted, one set per image, and images are paired
by their place in the batch; the cross-entropy is applied to probabilities as if they were logits, so that even a
perfect binary prediction costs 0.313. It has no ablations, so the switches of the paper's are not read.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ..data.batch import Batch, Labeled
from ..losses.consistency import logit_consistency
from ..losses.overlap import one_hot
from ..losses.prototypes import confidence_weights, pooled_prototypes, prototype_logits
from ..networks.output import FeatureLevel, NetworkOutput
from ..tensors import promote
from .method import Loss, Losses, TrainingStep
from .parts.teacher import TeacherStudent


class ReleasedCPCL(TeacherStudent):
    """L = L_s + lambda(t) (L_mt + L_fpc + beta L_bpc), the prototype losses being constants."""

    prototype_level: ClassVar[FeatureLevel] = "bottleneck"

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_s, the consistency on logits, and the two prototype losses without gradient."""
        weight, count = self.consistency_weight(step), len(batch.labeled.images)
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        student, teacher = self.student(images), self.teacher(self.noisy(images))
        student_labeled, _ = student.split(count)
        with torch.no_grad():
            teacher_unlabeled = self.teacher(batch.unlabeled.images)
            forward = self.forward_consistency(student_labeled, batch.labeled, teacher_unlabeled)
            backward = self.backward_consistency(student_labeled, batch.labeled, teacher_unlabeled)
        return {
            "supervised": Loss(self.supervised_loss(student_labeled, batch.labeled.labels)),
            "consistency": Loss(logit_consistency(student.logits, teacher.logits), weight),
            "forward_prototype": Loss(forward, weight),
            "backward_prototype": Loss(backward, weight * self.settings["beta"]),
        }

    def forward_consistency(self, student: NetworkOutput, labeled: Labeled, teacher: NetworkOutput) -> Tensor:
        """Return L_fpc with one confidence-weighted set of prototypes per labeled image."""
        weights = one_hot(labeled.labels, self.num_classes) * promote(student.logits).softmax(dim=1)
        propagated = self._propagate_pairwise(
            self.prototype_features(student), weights, self.prototype_features(teacher), teacher.logits
        )
        return functional.mse_loss(propagated, promote(teacher.logits).softmax(dim=1))

    def backward_consistency(self, student: NetworkOutput, labeled: Labeled, teacher: NetworkOutput) -> Tensor:
        """Return L_bpc with one set of prototypes per unlabeled image and a second softmax inside the cross-entropy."""
        weights = confidence_weights(teacher.logits)
        propagated = self._propagate_pairwise(
            self.prototype_features(teacher), weights, self.prototype_features(student), student.logits
        )
        return functional.cross_entropy(propagated, labeled.labels)

    def _propagate_pairwise(self, support: Tensor, weights: Tensor, query: Tensor, like: Tensor) -> Tensor:
        """Segment image b of the query with the prototypes of image b of the support, as probabilities."""
        scale, size = self.settings["similarity_scale"], like.shape[2:]
        pairs = zip(support.split(1), weights.split(1), query.split(1), strict=True)
        logits = [prototype_logits(q, pooled_prototypes(s, w), size, scale) for s, w, q in pairs]
        return torch.cat(logits).softmax(dim=1)
