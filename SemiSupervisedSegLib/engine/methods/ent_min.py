"""Entropy minimisation: predictions for unlabeled images shall be certain (Grandvalet and Bengio 2004)."""

from __future__ import annotations

import math

import torch

from ..data.batch import Batch
from ..losses.consistency import predictive_entropy
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep


class EntropyMinimization(Method):
    """L = L_sup + lambda(t) mean H(p) / ln C over the unlabeled images; as released, over the labeled ones as well."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.on_all_images = context.follows_released_code

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup and the mean entropy of a voxel, from 0 (certain) to 1 (all classes alike)."""
        labeled, unlabeled = self.joint_pass(batch)
        logits = torch.cat([labeled.logits, unlabeled.logits]) if self.on_all_images else unlabeled.logits
        entropy = predictive_entropy(promote(logits).softmax(dim=1)).mean() / math.log(self.num_classes)
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "entropy": Loss(entropy, self.consistency_weight(step)),
        }


def build(context: MethodContext) -> Method:
    """Build the method."""
    return EntropyMinimization(context)
