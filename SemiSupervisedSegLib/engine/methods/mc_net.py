"""MC-Net: decoders that upsample in different ways agree with each other's sharpened predictions.

Wu et al., MICCAI 2021; with three decoders it is MC-Net+ (Medical Image Analysis 81, 2022).
"""

from __future__ import annotations

import itertools
from typing import get_args

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.consistency import mutual_consistency
from ..losses.overlap import voxelwise_dice_loss
from ..networks.base import Upsampling
from .method import Loss, Losses, Method, MethodContext, TrainingStep, total

DICE_WEIGHT = 0.5
"""w_d; the released code for slices has 1.0 with a Dice without the factor 2, which is half of this one."""


class MutualConsistency(Method):
    """L = w_d sum_i Dice(p_i, y) + lambda(t) sum_{i != j} mean (p_i - s(p_j))^2, equations 2 and 3.

    All decoders share the student's encoder. The student's decoder, the first, predicts. With more than two classes the
    paper has no formula: the sharpened probabilities of a voxel add up to 1 here; the released code sharpens each
    channel on its own (``fidelity="released_code"``) and counts a step before it weights its losses.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        kinds = [kind for kind in get_args(Upsampling) if kind != self.student.upsampling]
        networks = [context.build_network(upsampling=kind) for kind in kinds[: context.settings["decoders"] - 1]]
        self.decoders = nn.ModuleList(network.decoder for network in networks)
        self.heads = nn.ModuleList(network.head for network in networks)
        self.per_channel = context.follows_released_code
        self.ramp_lead = int(context.follows_released_code)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the Dice losses on the labeled images and the mutual consistency on all images."""
        answers = self.answers(torch.cat([batch.labeled.images, batch.unlabeled.images]))
        labels, temperature = batch.labeled.labels, self.settings["sharpening_temperature"]
        supervised = total(voxelwise_dice_loss(logits[: len(labels)], labels) for logits in answers)
        consistency = total(
            mutual_consistency(logits, other, temperature, per_channel=self.per_channel)
            for logits, other in itertools.permutations(answers, 2)
        )
        return {
            "supervised": Loss(supervised, DICE_WEIGHT),
            "mutual_consistency": Loss(consistency, self.consistency_weight(step)),
        }

    def answers(self, images: Tensor) -> list[Tensor]:
        """Return the logits (B, C, *spatial) of every decoder."""
        skips = self.student.encoder(images)
        decoders, heads = (self.student.decoder, *self.decoders), (self.student.head, *self.heads)
        return [head(decoder(skips)[-1]) for decoder, head in zip(decoders, heads, strict=True)]


def build(context: MethodContext) -> Method:
    """Build the method."""
    return MutualConsistency(context)
