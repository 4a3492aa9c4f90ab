"""DTC: a network that segments and predicts distances to the boundary, and both shall say the same.

Luo et al., AAAI 2021.
"""

from __future__ import annotations

import torch

from ..data.batch import Batch
from ..losses.distances import dual_task_consistency
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.two_tasks import SegmentationAndDistances


class DualTaskConsistency(SegmentationAndDistances):
    """L = Dice(p, y) + beta MSE(z, SDF(y)) + lambda(t) mean (sigmoid(-1500 z) - p)^2, the last over all images.

    Published for one structure; with more, each has a distance map of its own. Distances are counted in voxels.
    """

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of both tasks on the annotations and their consistency on all images."""
        labeled, unlabeled = self.joint_pass(batch)
        logits = torch.cat([labeled.logits, unlabeled.logits])
        distances = torch.cat([self.distances(labeled), self.distances(unlabeled)])
        consistency = dual_task_consistency(logits, distances)
        return {
            **self.supervised_losses(labeled, batch),
            "dual_task": Loss(consistency, self.consistency_weight(step)),
        }


def build(context: MethodContext) -> Method:
    """Build the method."""
    return DualTaskConsistency(context)
