"""CCT: auxiliary decoders of disturbed features agree with the main decoder of undisturbed ones.

Ouali et al., CVPR 2020, with the decoders and the three perturbations of the public benchmark of medical methods.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.consistency import probability_consistency
from ..losses.overlap import supervised_loss
from ..networks.dropout import Dropout
from ..networks.perturbations import FeatureDropout, FeatureNoise
from .method import Loss, Losses, Method, MethodContext, TrainingStep, total

DROPOUT = 0.3
"""Probability of the second perturbation, of single elements as in the benchmark; the paper drops channels."""


class CrossConsistency(Method):
    """L = L_sup + lambda(t) 1/K sum_k mean (p_k(x_u) - p(x_u))^2, equations 1 to 3.

    Decoder k reads a disturbed copy of every map of the shared encoder, where the paper, whose network has no skip
    connections, disturbs one. The main prediction p is a constant, and the auxiliary decoders learn from it alone.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.perturbations = nn.ModuleList([FeatureNoise(), Dropout(DROPOUT), FeatureDropout()])
        networks = [context.build_network() for _ in self.perturbations]
        self.decoders = nn.ModuleList(network.decoder for network in networks)
        self.heads = nn.ModuleList(network.head for network in networks)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup of the main decoder and the consistency of the auxiliary ones on unlabeled images."""
        count = len(batch.labeled.images)
        skips = self.skips(batch)
        labeled, unlabeled = self.student.from_skips(skips).split(count)
        answers = self.auxiliary_logits([features[count:] for features in skips])
        return {
            "supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels)),
            "consistency": Loss(agreement(answers, unlabeled.logits.detach()), self.consistency_weight(step)),
        }

    def skips(self, batch: Batch) -> list[Tensor]:
        """Return the encoder's maps (B, L, *spatial) of labeled and unlabeled images, finest first."""
        return self.student.encoder(torch.cat([batch.labeled.images, batch.unlabeled.images]))

    def auxiliary_logits(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Return the logits (B, C, *spatial) of each auxiliary decoder, each for its own perturbation of the maps."""
        return [
            head(decoder([perturb(features) for features in skips])[-1])
            for perturb, decoder, head in zip(self.perturbations, self.decoders, self.heads, strict=True)
        ]


class BenchmarkCrossConsistency(CrossConsistency):
    """CCT as the public benchmark has it: all decoders learn from the annotations, and the main one from the others."""

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the mean of L_sup over all decoders and the consistency on unlabeled images."""
        labels = batch.labeled.labels
        count, skips = len(labels), self.skips(batch)
        labeled, unlabeled = self.student.from_skips(skips).split(count)
        answers = self.auxiliary_logits(skips)
        supervised = [self.supervised_loss(labeled, labels)]
        supervised += [supervised_loss(logits[:count], labels) for logits in answers]
        consistency = agreement([logits[count:] for logits in answers], unlabeled.logits)
        return {
            "supervised": Loss(total(supervised) / len(supervised)),
            "consistency": Loss(consistency, self.consistency_weight(step)),
        }


def agreement(answers: Sequence[Tensor], target: Tensor) -> Tensor:
    """Return the mean squared difference of probabilities to a target, averaged over decoders (equation 2).

    Args:
        answers: Logits (B, C, *spatial) of each auxiliary decoder.
        target: Logits (B, C, *spatial) of the main decoder.
    """
    return total(probability_consistency(logits, target) for logits in answers) / len(answers)


def build(context: MethodContext) -> Method:
    """Build the form of the method that the settings ask for."""
    return BenchmarkCrossConsistency(context) if context.follows_released_code else CrossConsistency(context)
