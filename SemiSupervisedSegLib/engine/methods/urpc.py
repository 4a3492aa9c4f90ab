"""URPC: predictions from several scales of one decoder agree where they are certain.

Luo et al., MICCAI 2021 (Medical Image Analysis 80, 2022).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.batch import Batch
from ..losses.overlap import supervised_loss
from ..losses.pyramid import pyramid_consistency
from ..networks.pyramid import PyramidHeads
from .method import Loss, Losses, Method, MethodContext, TrainingStep, total


class PyramidConsistency(Method):
    """L = 1/S sum_s L_sup(p_s, y) + lambda(t) L_pyramid(x_u) (section 2.3).

    Every scale of the decoder has a prediction layer; the one at full resolution predicts.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.pyramid = PyramidHeads(self.student)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the mean L_sup of all scales and their consistency on the unlabeled images."""
        labels = batch.labeled.labels
        scales = self.scales(torch.cat([batch.labeled.images, batch.unlabeled.images]))
        supervised = total(supervised_loss(logits[: len(labels)], labels) for logits in scales) / len(scales)
        consistency = pyramid_consistency(torch.stack([logits[len(labels) :] for logits in scales]))
        return {
            "supervised": Loss(supervised),
            "pyramid_consistency": Loss(consistency, self.consistency_weight(step)),
        }

    def scales(self, images: Tensor) -> list[Tensor]:
        """Return the logits (B, C, *spatial) of every scale, the coarsest first and full resolution last."""
        *coarse, finest = self.student.decoder(self.student.encoder(images))
        return [*self.pyramid(coarse, images.shape[2:]), self.student.head(finest)]


def build(context: MethodContext) -> Method:
    """Build the method."""
    return PyramidConsistency(context)
