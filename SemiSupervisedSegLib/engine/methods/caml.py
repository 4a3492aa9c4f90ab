"""CAML: two networks agree, also on what a voxel of an unlabeled image is like among voxels of labeled ones.

Gao et al., MICCAI 2023.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.consistency import mutual_consistency
from ..losses.correlation import CHUNK, agreed_voxels, correlation_consistency
from ..losses.overlap import voxelwise_dice_loss
from ..networks.base import Upsampling
from ..networks.output import NetworkOutput
from ..networks.sample_attention import SampleAttention
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep, total
from .parts.banks import FeatureRing
from .parts.batchnorm import eval_mode

DICE_WEIGHT = 0.5
EMBEDDING = 32
MEMORY, VOXELS = 256, 12800
"""Remembered features of a class, and unlabeled voxels of a class that are compared with them, as released."""
BATCHES = 8
"""Batches whose features are remembered; the released code remembers the latest crop of each labeled image."""


class CorrelationAwareMutualLearning(Method):
    """L = w sum_i Dice(p_i, y) + lambda(t) (sum_{i != j} mean (p_i - s(p_j))^2 + lambda_o L_correlation).

    The auxiliary network upsamples in another way than the vanilla one, which predicts, and attends within and between
    the images of a batch. Voxels of labeled images that both classify rightly are remembered. The paper has no formula
    of the sharpening s for more than two classes: probabilities add up to 1 here, the released code sharpens each
    channel on its own and counts a step before it weights its losses (``fidelity="released_code"``).
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        other = next(kind for kind in get_args(Upsampling) if kind != self.student.upsampling)
        self.auxiliary = context.build_network(upsampling=other)
        stages = self.auxiliary.encoder.stages
        assert isinstance(stages, nn.ModuleList)
        # The last map but one, in each network the finest of which attention between all voxels is affordable.
        stages[-2] = nn.Sequential(stages[-2], SampleAttention(self.auxiliary.channels[-2]))
        widths = (self.student.channels[0], EMBEDDING)
        self.projections = nn.ModuleList(two_layers(widths[0]) for _ in range(2))
        self.predictions = nn.ModuleList(two_layers(widths[1]) for _ in range(2))
        self.memory = FeatureRing(context.num_classes, MEMORY, EMBEDDING, BATCHES)
        self.per_channel = context.follows_released_code
        self.ramp_lead = int(context.follows_released_code)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return Dice of both networks, their mutual consistency on all images and that of correlations."""
        outputs = [self.joint_pass(batch, network) for network in (self.student, self.auxiliary)]
        labeled, unlabeled = zip(*outputs, strict=True)
        labels, temperature = batch.labeled.labels, self.settings["sharpening_temperature"]
        first, second = (torch.cat([known.logits, unknown.logits]) for known, unknown in outputs)
        mutual = total(
            mutual_consistency(*pair, temperature, per_channel=self.per_channel)
            for pair in ((first, second), (second, first))
        )
        self.remember(labeled, labels)
        weight = self.consistency_weight(step)
        return {
            "supervised": Loss(total(voxelwise_dice_loss(each.logits, labels) for each in labeled), DICE_WEIGHT),
            "mutual_consistency": Loss(mutual, weight),
            "correlation": Loss(self.correlation(unlabeled), weight * self.settings["correlation_weight"]),
        }

    @torch.no_grad()
    def remember(self, labeled: tuple[NetworkOutput, ...], labels: Tensor) -> None:
        """Store the mean projections of voxels of each class that both networks classify rightly.

        Args:
            labeled: Outputs of both networks for the labeled images.
            labels: Class indices (B, *spatial).
        """
        right = torch.stack([output.logits.argmax(dim=1) == labels for output in labeled]).all(dim=0).flatten()
        with eval_mode(self.projections):
            for label in range(self.num_classes):
                places = (right & (labels == label).flatten()).nonzero()[:, 0]
                places = places[torch.randperm(len(places), device=places.device)[:MEMORY]]
                pairs = zip(self.projections, labeled, strict=True)
                projected = [project(features_at(output, places)) for project, output in pairs]
                self.memory.remember(label, promote(torch.stack(projected)).mean(dim=0))

    def correlation(self, unlabeled: tuple[NetworkOutput, ...]) -> Tensor:
        """Return L_correlation of the unlabeled voxels on whose class both networks agree.

        Args:
            unlabeled: Outputs of both networks for the unlabeled images.
        """
        vanilla, auxiliary = unlabeled
        memory = self.memory.sample()
        places = torch.cat(agreed_voxels(vanilla.logits, auxiliary.logits, VOXELS))
        # Buffers of few sizes serve all steps; those of every size, which a worker keeps, add up to gigabytes.
        places = places[: len(places) // CHUNK * CHUNK or None]
        if len(memory) < 2 or len(places) < 2:
            return 0 * vanilla.logits.sum()
        layers = zip(self.predictions, self.projections, unlabeled, strict=True)
        first, second = (predict(project(features_at(output, places))) for predict, project, output in layers)
        return correlation_consistency(first, second, memory)


def two_layers(channels: int) -> nn.Sequential:
    """Return two linear layers from features (N, channels) to the embedding, with batch normalisation between."""
    hidden = [nn.Linear(channels, EMBEDDING), nn.BatchNorm1d(EMBEDDING), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(EMBEDDING, EMBEDDING))


def features_at(output: NetworkOutput, places: Tensor) -> Tensor:
    """Return the features (N, L) of the classifier's input at places (N,) of the flattened batch."""
    return output.decoder_full.movedim(1, -1).flatten(0, -2)[places]


def build(context: MethodContext) -> Method:
    """Build the method."""
    return CorrelationAwareMutualLearning(context)
