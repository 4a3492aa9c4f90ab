"""Supervised learning on the labeled cases alone: the lower bound that every method must beat."""

from __future__ import annotations

from ..data.batch import Batch
from ..losses.overlap import supervised_loss
from .method import Loss, Losses, Method, MethodContext, TrainingStep


class Supervised(Method):
    """L = L_sup = 0.5 (cross-entropy + Dice) on labeled images."""

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup."""
        logits = self.student(batch.labeled.images).logits
        return {"supervised": Loss(supervised_loss(logits, batch.labeled.labels))}


def build(context: MethodContext) -> Method:
    """Build the method."""
    return Supervised(context)
