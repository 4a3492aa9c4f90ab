"""Supervised learning on the labeled cases alone: the lower bound that every method must beat."""

from __future__ import annotations

from ..data.batch import Batch
from .method import Loss, Losses, Method, MethodContext, TrainingStep


class Supervised(Method):
    """L = L_sup = 0.5 (cross-entropy + Dice) on labeled images."""

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup."""
        output = self.student(batch.labeled.images)
        return {"supervised": Loss(self.supervised_loss(output, batch.labeled.labels))}


def build(context: MethodContext) -> Method:
    """Build the method."""
    return Supervised(context)
