"""The base of methods whose network segments and predicts signed distance maps (SASSNet, DTC)."""

from __future__ import annotations

from torch import Tensor

from ...data.batch import Batch
from ...losses.distances import distance_regression, signed_distance_maps, structure_dice_loss
from ...networks.distance_head import DistanceHead
from ...networks.output import NetworkOutput
from ..method import Loss, Losses, Method, MethodContext

ABSENT, ABSENT_AS_RELEASED = 1.0, 0.0
"""Signed distance in patches that lack a structure: all outside, or all boundary as in the released codes."""


class SegmentationAndDistances(Method):
    """A student with a second head for the signed distance map of every structure; the first head predicts.

    Examples:
        >>> from ...networks.unet2d import unet_2d
        >>> method = SegmentationAndDistances(MethodContext(lambda: unet_2d(1, 3), 3, 2, {"distance_weight": 0.3}))
        >>> distances = method.distances(method.student(torch.randn(2, 1, 16, 16)))
        >>> distances.shape, bool(distances.abs().max() < 1)
        (torch.Size([2, 2, 16, 16]), True)
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.distance_head = DistanceHead(self.student)
        self.absent = ABSENT_AS_RELEASED if context.follows_released_code else ABSENT

    def distances(self, output: NetworkOutput) -> Tensor:
        """Return the signed distances (B, C - 1, *spatial) of an output of the student."""
        return self.distance_head(output.decoder_full)

    def supervised_losses(self, labeled: NetworkOutput, batch: Batch) -> Losses:
        """Return the losses of both tasks on the annotations, L = Dice(p, y) + beta MSE(z, SDF(y)).

        Args:
            labeled: Output of the student for the labeled images.
            batch: Batch of the step.
        """
        labels = batch.labeled.labels
        target = signed_distance_maps(labels, self.num_classes, absent=self.absent)
        return {
            "supervised": Loss(structure_dice_loss(labeled.logits, labels)),
            "distances": Loss(distance_regression(self.distances(labeled), target), self.settings["distance_weight"]),
        }
