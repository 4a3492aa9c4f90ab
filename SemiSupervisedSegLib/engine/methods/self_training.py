"""Confident self-training, the recipe of this project: a network learns from its own confident results on mixed images.

It joins parts that proved themselves one by one: strong views of weakly augmented images (FixMatch, Sohn et al.,
NeurIPS 2020; UniMatch, Yang et al., CVPR 2023), boxes pasted between images (CutMix, Yun et al., ICCV 2019; BCP, Bai et
al., CVPR 2023) and an averaged teacher (Tarvainen and Valpola, NeurIPS 2017). Docs/experiments.md has their worth.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from ..data.batch import Batch
from ..losses.overlap import dice_loss, masked_cross_entropy, one_hot
from ..losses.pseudo_labels import confident_classes
from ..networks.base import SegmentationNetwork
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.masks import mix_boxes
from .parts.teacher import TeacherStudent
from .parts.views import strong_view


class ConfidentSelfTraining(TeacherStudent):
    """L = L(annotated) alone at first, then (L(annotated) + w L(pseudo)) / 2 on mixed strong views.

    The teacher segments the unlabeled images as they are. Where it is confident, its classes are pseudo-labels. Boxes
    of all images, with their labels, are pasted into each other, so that annotated tissue and that of all sites meet;
    the student learns from strong views of the mixtures. Images of other sites are unlabeled ones like the local ones.
    """

    averages_buffers = True

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the loss on annotated images, in the first part of the training the only one."""
        if step.index < self.settings["supervised_share"] * step.total_steps:
            logits = self.student(strong_view(batch.labeled.images)).logits
            return {"annotated": Loss(confident_loss(logits, batch.labeled.labels, torch.ones_like(logits[:, 0])))}
        return self.self_training_losses(batch)

    def self_training_losses(self, batch: Batch) -> Losses:
        """Return the losses on mixtures of annotated images and on mixtures of unlabeled images with pseudo-labels.

        Args:
            batch: Batch with unlabeled images.
        """
        pseudo_labels, confident = self.pseudo_labels(batch.unlabeled.images)
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        labels = torch.cat([batch.labeled.labels, pseudo_labels])
        known = torch.cat([torch.ones_like(batch.labeled.images[:, 0]), confident])
        images, labels, known = mix_boxes(images, labels, known, self.settings["mixed_share"])
        logits = self.student(strong_view(images)).logits
        annotated = slice(None, len(batch.labeled.images))
        pseudo = slice(len(batch.labeled.images), None)
        weight = 0.5 * self.settings["pseudo_label_weight"]
        return {
            "annotated": Loss(confident_loss(logits[annotated], labels[annotated], known[annotated]), 0.5),
            "pseudo": Loss(confident_loss(logits[pseudo], labels[pseudo], known[pseudo]), weight),
            "confident_share": Loss(confident.mean(), 0.0),
        }

    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the teacher's classes (B, *spatial), and 1 where it is confident of them (B, *spatial).

        Args:
            images: Images (B, C_in, *spatial).
        """
        return confident_classes(self.teacher(images).logits, self.settings["confidence"])

    def inference_network(self) -> SegmentationNetwork:
        """Return the teacher, which is steadier than the student."""
        return cast(SegmentationNetwork, self.teacher.network)


def confident_loss(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Return cross-entropy plus Dice of the structures over the batch, where labels are known.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
        known: Mask (B, *spatial) of 0 and 1.

    Examples:
        >>> labels = torch.tensor([[[0, 1], [0, 1]]])
        >>> confident_loss(50 * one_hot(labels, num_classes=2), labels, torch.ones(1, 2, 2)) < 1e-6
        tensor(True)
        >>> confident_loss(torch.randn(1, 2, 2, 2), labels, torch.zeros(1, 2, 2))
        tensor(0.)
    """
    overlap = dice_loss(
        logits.softmax(dim=1), one_hot(labels, logits.shape[1]), known, squared=False, include_background=False
    )
    return masked_cross_entropy(logits, labels, known) + overlap


def build(context: MethodContext) -> Method:
    """Build the method."""
    return ConfidentSelfTraining(context)
