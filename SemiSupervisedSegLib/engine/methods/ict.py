"""ICT: the result for a mixture of two images shall be the mixture of their results.

Verma et al., IJCAI 2019, as run for medical segmentation by the papers compared here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..data.batch import Batch
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.mixing import mix, mixing_shares
from .parts.teacher import TeacherStudent


class InterpolationConsistency(TeacherStudent):
    """L = L_sup + lambda(t) mean (p_s(Mix_b(x_1, x_2)) - Mix_b(p_t(x_1), p_t(x_2)))^2 with b from Beta(alpha, alpha).

    Every unlabeled image is mixed with the next one of its batch; an image that is alone there is mixed with itself. In
    the public benchmark the first half of the batch is mixed with the second one, which are half as many mixtures, and
    the teacher sees one half after the other (``fidelity="released_code"``).
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.mixes_halves = context.follows_released_code

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup on labeled images as they are, and the consistency on mixtures of unlabeled ones."""
        first, second = self.partners(batch.unlabeled.images)
        shares = mixing_shares(len(first), self.settings["mixing_alpha"])
        images = torch.cat([batch.labeled.images, mix(first, second, shares)])
        labeled, mixed = self.student(images).split(len(batch.labeled.images))
        target = mix(*self.partners(self.teacher_probabilities(batch.unlabeled.images)), shares)
        consistency = functional.mse_loss(promote(mixed.logits).softmax(dim=1), target)
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "consistency": Loss(consistency, self.consistency_weight(step)),
        }

    def partners(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first and the second of each pair of some values (B, ...), one for each unlabeled image."""
        if self.mixes_halves:
            first, second = values.chunk(2)
            return first, second
        return values, values.roll(-1, dims=0)

    def teacher_probabilities(self, images: Tensor) -> Tensor:
        """Return p_t (B, C, *spatial) of images (B, C_in, *spatial)."""
        parts = images.chunk(2) if self.mixes_halves else (images,)
        return torch.cat([promote(self.teacher(part).logits).softmax(dim=1) for part in parts])


def build(context: MethodContext) -> Method:
    """Build the method."""
    return InterpolationConsistency(context)
