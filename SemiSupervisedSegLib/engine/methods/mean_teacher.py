"""Mean Teacher: the student agrees with an averaged copy of itself on noisy unlabeled images.

Tarvainen and Valpola, NeurIPS 2017, as run for medical segmentation by the papers compared here.
"""

from __future__ import annotations

from ..data.batch import Batch
from ..losses.consistency import probability_consistency
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.teacher import TeacherStudent


class MeanTeacherMethod(TeacherStudent):
    """L = L_sup + lambda(t) mean (p_s(x_u) - p_t(x_u + xi))^2, on unlabeled images only."""

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and the consistency of clean student and noisy teacher."""
        labeled, unlabeled = self.joint_pass(batch)
        teacher = self.teacher(self.noisy(batch.unlabeled.images))

        started = step.index >= self.settings["consistency_start"]
        weight = self.consistency_weight(step) if started else 0.0
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "consistency": Loss(probability_consistency(unlabeled.logits, teacher.logits), weight),
        }


def build(context: MethodContext) -> Method:
    """Build the method."""
    return MeanTeacherMethod(context)
