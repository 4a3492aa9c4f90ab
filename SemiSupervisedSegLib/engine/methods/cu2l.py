"""CU2L: category-level regularized unlabeled-to-labeled learning with multi-site unlabeled data.

Z. Xu et al., MICCAI 2023. Local unlabeled images are learned by pseudo labels; prototypes of local and external
unlabeled images must segment the labeled images; prototypes of the sites are pulled together; predictions are
stable under noise. Ablations of its Fig. 3(b) by settings: CU2L-1 without ``use_pseudo_labels``, CU2L-2 without
``use_unlabeled_to_labeled`` and ``use_category_regularization``, CU2L-3 without ``use_category_regularization``,
CU2L-4 without ``use_stability``.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ..data.batch import Batch, Labeled
from ..losses.consistency import logit_consistency
from ..losses.overlap import one_hot, regional_dice_loss, supervised_loss
from ..losses.prototypes import (
    Prototypes,
    confidence_weights,
    has_two_classes,
    pooled_prototypes,
    prototype_logits,
    prototype_regularization,
)
from ..losses.pseudo_labels import confident_classes
from ..networks.output import FeatureLevel, NetworkOutput
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep, total
from .parts.banks import PrototypeBank
from .parts.ramps import gaussian_ramp
from .parts.teacher import TeacherStudent


class Sites(NamedTuple):
    """One value for the local and one for the external unlabeled images."""

    unlabeled: Prototypes
    external: Prototypes


class CU2L(TeacherStudent):
    """L = L_sup + lambda(t) (L_PL + L_u2l + L_cr + L_sta), equation 1 and sections 2.2 to 2.4."""

    prototype_level: ClassVar[FeatureLevel] = "decoder_half"

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        channels = self.student.feature_channels[self.prototype_level]
        decay = context.settings["prototype_decay"]
        self.unlabeled_bank = PrototypeBank(context.num_classes, channels, decay)
        self.external_bank = PrototypeBank(context.num_classes, channels, decay)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses that the settings leave on."""
        labeled, local = batch.labeled, len(batch.unlabeled.images)
        unannotated = torch.cat([batch.unlabeled.images, batch.external.images])
        teacher = self.teacher(unannotated)
        student = self.student(torch.cat([labeled.images, self.noisy(unannotated)]))
        student_labeled, student_others = student.split(len(labeled.images))

        weight = self.consistency_weight(step)
        losses = {"supervised": Loss(self.supervised_loss(student_labeled, labeled.labels, self.supervised))}
        if self.settings["use_pseudo_labels"]:
            clean = self.student(batch.unlabeled.images) if self.settings["clean_student_pass"] else student_others
            losses |= self.pseudo_label_losses(clean.logits[:local], teacher.logits[:local], step, weight)
        if self.settings["use_unlabeled_to_labeled"] or self.settings["use_category_regularization"]:
            losses |= self.category_losses(student_labeled, labeled, student_others, teacher, local, weight)
        if self.settings["use_stability"]:
            stability = logit_consistency(student_others.logits, self.teacher(self.noisy(unannotated)).logits)
            losses["stability"] = Loss(stability, weight)
        return losses

    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return L_sup: cross-entropy and K-regional Dice (equation 1).

        Args:
            logits: Logits (B, C, *spatial) of the labeled images.
            labels: Class indices (B, *spatial).
        """
        mode = self.settings["region_mode"]
        return supervised_loss(logits, labels, regions=self.settings["regions"], mode=mode)

    def pseudo_label_losses(self, student: Tensor, teacher: Tensor, step: TrainingStep, weight: float) -> Losses:
        """Return L_PL: regional partial Dice with the teacher's confident pseudo labels of local images (section 2.2).

        Args:
            student: Logits (B_u, C, *spatial) of the student on local unlabeled images.
            teacher: Logits (B_u, C, *spatial) of the teacher on the same, clean images.
            step: Place of the step, on which the threshold delta(t) depends that rises from 0.75 to 0.9.
            weight: Weight lambda(t).
        """
        pseudo_labels, mask = confident_classes(teacher, self.threshold(step))
        loss = self._regional_dice(promote(student).softmax(dim=1), one_hot(pseudo_labels, self.num_classes), mask)
        return {"pseudo_label": Loss(loss, weight), "confident_share": Loss(mask.mean(), 0.0)}

    def threshold(self, step: TrainingStep) -> float:
        """Return delta(t), ramped up like lambda from ``threshold_start`` to ``threshold_end``."""
        start, end = self.settings["threshold_start"], self.settings["threshold_end"]
        return start + (end - start) * gaussian_ramp(step.index, step.total_steps)

    def category_losses(
        self,
        student_labeled: NetworkOutput,
        labeled: Labeled,
        student_others: NetworkOutput,
        teacher: NetworkOutput,
        local: int,
        weight: float,
    ) -> Losses:
        """Return L_u2l and L_cr on the prototypes of the sites (section 2.3)."""
        weights = confidence_weights(teacher.logits)
        features = self.prototype_features(teacher)
        averaged = Sites(
            self.unlabeled_bank.update(pooled_prototypes(features[:local], weights[:local])),
            self.external_bank.update(pooled_prototypes(features[local:], weights[local:])),
        )
        losses: Losses = {}
        if self.settings["use_unlabeled_to_labeled"]:
            by_site = [self.unlabeled_to_labeled(student_labeled, labeled, prototypes) for prototypes in averaged]
            losses["unlabeled_to_labeled"] = Loss(total(by_site), weight)
        if self.settings["use_category_regularization"]:
            masks = one_hot(labeled.labels, self.num_classes)
            own = pooled_prototypes(self.prototype_features(student_labeled), masks)
            sites = averaged
            if self.settings["student_unlabeled_prototypes"]:
                features = self.prototype_features(student_others)
                sites = Sites(
                    pooled_prototypes(features[:local], weights[:local]),
                    pooled_prototypes(features[local:], weights[local:]),
                )
            losses["category"] = Loss(prototype_regularization(own, sites.unlabeled, sites.external), weight)
        return losses

    def unlabeled_to_labeled(self, student: NetworkOutput, labeled: Labeled, prototypes: Prototypes) -> Tensor:
        """Return L_u2l of one site: its prototypes, constants of the teacher, segment the labeled images.

        The gradient runs through the student's features of the labeled images. Classes that have no prototype yet
        are dropped from the softmax, and their voxels from the Dice.
        """
        size = labeled.labels.shape[1:]
        logits = prototype_logits(self.prototype_features(student), prototypes, size, 1 / self.settings["temperature"])
        target = one_hot(labeled.labels, self.num_classes)
        mask = prototypes.valid[labeled.labels].float()
        return has_two_classes(prototypes) * self._regional_dice(logits.softmax(dim=1), target, mask)

    def _regional_dice(self, probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        regions, mode = self.settings["regions"], self.settings["region_mode"]
        return regional_dice_loss(probabilities, target, mask, regions=regions, mode=mode)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return CU2L(context)
