"""DTML: one network segments, another one predicts distances to the boundary, and each learns from the other.

Zhang and Zhang, PRCV 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..data.batch import Batch
from ..losses.distances import distances_to_masks, dual_task_consistency, structure_dice_loss
from ..losses.overlap import dice_loss, one_hot
from ..networks.distance_head import DistanceHead
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep


class DualTaskMutualLearning(Method):
    """L_A = (CE + Dice)(p, y) / 2 + lambda(t) L_m and L_B = Dice(sigmoid(-1500 z), y) + lambda(t) L_m.

    L_m = mean (p - sigmoid(-1500 z))^2 over all images. Network A segments and predicts; B, whose head gives signed
    distances z of every structure, is not used afterwards. Each minimises its own sum; in the released code both sums
    reach both networks, so that L_m counts twice (``fidelity="released_code"``).
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.second = context.build_network()
        self.second.head = DistanceHead(self.second)
        self.mutual_count = 2 if context.follows_released_code else 1

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of both networks on the annotations and the mutual one on all images."""
        labels = batch.labeled.labels
        segmented = torch.cat([output.logits for output in self.joint_pass(batch)])
        distances = torch.cat([output.logits for output in self.joint_pass(batch, self.second)])
        mutual = dual_task_consistency(segmented, distances)
        return {
            "supervised": Loss(segmentation_loss(segmented[: len(labels)], labels)),
            "distances": Loss(mask_loss(distances[: len(labels)], labels)),
            "mutual": Loss(mutual, self.mutual_count * self.consistency_weight(step)),
        }


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return half cross-entropy, half Dice over structures.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
    """
    return 0.5 * (functional.cross_entropy(promote(logits), labels) + structure_dice_loss(logits, labels))


def mask_loss(distances: Tensor, labels: Tensor) -> Tensor:
    """Return the Dice loss over structures of the masks that signed distances stand for.

    Args:
        distances: Signed distances (B, C - 1, *spatial).
        labels: Class indices (B, *spatial).
    """
    structures = one_hot(labels, distances.shape[1] + 1)[:, 1:]
    return dice_loss(distances_to_masks(distances), structures)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return DualTaskMutualLearning(context)
