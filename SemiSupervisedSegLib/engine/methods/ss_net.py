"""SS-Net: pixel-level smoothness and inter-class separation.

Wu et al., MICCAI 2022.
Ablations of its table 3 by settings: ``use_smoothness``, ``discrepancy`` and ``use_class_separation``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..data.batch import Batch
from ..losses.class_separation import class_separation
from ..losses.overlap import voxelwise_dice_loss
from ..losses.smoothness import adversarial_perturbation, dice_discrepancy, kl_discrepancy
from ..networks.output import NetworkOutput
from ..networks.separation_heads import WIDTH, SeparationHeads
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.banks import FeatureMemory
from .parts.batchnorm import RecomputeWithoutBatchNormUpdate, eval_mode, frozen_statistics

TRIAL = 10.0
RADIUS = {2: 6.0, 3: 10.0}
PUBLISHED_VOXELS = {2: 256 * 256, 3: 112 * 112 * 80}
"""Lengths of the perturbations (xi and epsilon), and the patches for which they were published (section 3.2)."""


class SSNet(Method):
    """L = L_seg + lambda(t) (L_lds + w_cs (L_cs of labeled + L_cs of unlabeled voxels)), equation 5."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.heads = SeparationHeads(self.student.feature_channels["decoder_full"], context.num_classes)
        self.memory = FeatureMemory(context.num_classes, WIDTH, WIDTH)
        joint = context.dimensions == 3 and context.follows_released_code
        by_name: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "dice": partial(dice_discrepancy, joint=joint),
            "kl": kl_discrepancy,
        }
        self.discrepancy = by_name[context.settings["discrepancy"]]
        self.dimensions = context.dimensions
        self.ramp_lead = int(context.dimensions == 3 and context.follows_released_code)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_seg, and L_lds and L_cs where the settings leave them on."""
        labeled, unlabeled = self.joint_pass(
            batch, partial(self._forward_checkpointed, RecomputeWithoutBatchNormUpdate(self.student))
        )
        weight = self.consistency_weight(step)
        losses = {"supervised": Loss(self.supervised_loss(labeled, batch.labeled.labels, voxelwise_dice_loss))}
        if self.settings["use_smoothness"]:
            images = torch.cat([batch.labeled.images, batch.unlabeled.images])
            losses["smoothness"] = Loss(self.smoothness(images), weight)
        if self.settings["use_class_separation"]:
            self.remember(labeled, batch.labeled.labels)
            separation = self.separation(labeled, batch.labeled.labels)
            separation = separation + self.separation(unlabeled, unlabeled.logits.argmax(dim=1))
            losses["class_separation"] = Loss(separation, weight * self.settings["class_separation_weight"])
        return losses

    def smoothness(self, images: Tensor) -> Tensor:
        """Return L_lds, the discrepancy between predictions of images and of adversarial examples (equations 1 to 3).

        Lengths grow with the square root of the number of voxels, so that a voxel changes as much as it did in
        the published patches. The perturbed passes leave the statistics of batch normalisation alone.

        Args:
            images: Images (B, C_in, *spatial).
        """
        scale = math.sqrt(images[0, 0].numel() / PUBLISHED_VOXELS[self.dimensions]) * self.settings["perturbation"]
        with torch.no_grad():
            clean = promote(self.student(images).logits).softmax(dim=1)
        with frozen_statistics(self.student):
            perturbation = adversarial_perturbation(
                self._logits,
                images,
                clean,
                self.discrepancy,
                trial=scale * TRIAL,
                radius=scale * RADIUS[self.dimensions],
            )
            return self.discrepancy(
                clean, self._forward_checkpointed(frozen_statistics(self.student), images + perturbation).logits
            )

    @torch.no_grad()
    def remember(self, labeled: NetworkOutput, labels: Tensor) -> None:
        """Put the best of the correctly predicted labeled voxels of every class into the memory (section 2.2).

        As released, features are projected in evaluation mode and scored with the statistics of the batch.

        Args:
            labeled: Output of the student for the labeled images.
            labels: Class indices (B, *spatial).
        """
        features, truth = _voxels(labeled), labels.flatten()
        correct = labeled.logits.argmax(dim=1).flatten() == truth
        highest = self.settings["memory_selection"] == "highest"
        for label in self._classes():
            attention = self.heads.query_attention[label]
            with eval_mode(self.heads.projector):
                projected = self.heads.projector(features[correct & (truth == label)])
            # Batch normalisation has no statistics of a single feature.
            with eval_mode(attention) if len(projected) < 2 else nullcontext():
                self.memory.keep(label, projected, attention(projected), highest=highest)

    def separation(self, output: NetworkOutput, classes: Tensor) -> Tensor:
        """Return L_cs: features approach the memory of their class, the true or else the predicted one (equation 4).

        Args:
            output: Output of the student.
            classes: Class indices (B, *spatial) by which voxels are grouped.
        """
        queries, groups = self.heads(_voxels(output)), classes.flatten()
        total = queries.sum() * 0
        for label in self._classes():
            members, keys = queries[groups == label], self.memory.of(label)
            # Batch normalisation has no statistics of a single feature.
            if min(len(members), len(keys)) < 2:
                continue
            attention = self.heads.query_attention[label](members.detach())
            total = total + class_separation(members, attention, keys, self._key_attention(label, keys))
        return total / self.num_classes

    def _forward_checkpointed(self, repeating: AbstractContextManager, images: Tensor) -> NetworkOutput:
        """Run the student; in 3D inner maps are recomputed for the gradient instead of being stored.

        Otherwise those of the joint and the adversarial pass are there at the same time, and a step at 112x112x80 with
        2 + 2 images takes 14.6 GB in float32. The second computation is done in the context given.
        """
        if self.dimensions == 2:
            return self.student(images)
        contexts = nullcontext(), repeating
        return checkpoint(self.student, images, use_reentrant=False, context_fn=lambda: contexts)

    def _key_attention(self, label: int, keys: Tensor) -> Tensor:
        if self.settings["weight_memory"]:
            return self.heads.memory_attention[label](keys)
        return torch.ones(len(keys), device=keys.device)

    def _classes(self) -> range:
        return range(0 if self.settings["separate_background"] else 1, self.num_classes)

    def _logits(self, images: Tensor) -> Tensor:
        return self.student(images).logits


def _voxels(output: NetworkOutput) -> Tensor:
    """Return the classifier's input as a list of features (B * voxels, L)."""
    return promote(output.decoder_full.movedim(1, -1).flatten(0, -2))


def build(context: MethodContext) -> Method:
    """Build the method."""
    return SSNet(context)
