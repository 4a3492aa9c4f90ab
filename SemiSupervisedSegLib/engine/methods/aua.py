"""AUA + BCL + PCL: aleatoric uncertainty and two contrastive losses, in two stages.

Wu et al., IEEE TNNLS 2023. Ablations of its Tables V and VI: "AUA" without ``use_boundary`` and ``use_retraining``,
"AUA + BCL" without ``use_retraining``, "+ Pseudo labeling" without ``use_prototypes``. As released it has
one-sided boundaries, a projection without batch normalisation, the background into the energy distance, diagonal
covariances, features on the unit sphere, and anchors of structures only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from ...planning.networks import NetworkSpec
from ..data.batch import Batch
from ..losses.gaussian_prototypes import GaussianClasses, prototype_contrast
from ..losses.overlap import dice_loss, one_hot
from ..losses.sampling import draw_voxels, features_at, near_boundary
from ..losses.stochastic import antithetic_samples, energy_distance, marginal_cross_entropy
from ..losses.supervised_contrast import supervised_contrast
from ..networks.base import SegmentationNetwork
from ..networks.embedding import with_embedding
from ..networks.low_rank import LogitDistribution, LowRankHead
from ..networks.output import NetworkOutput
from ..networks.projection import PointwiseProjection
from ..tensors import append_axes
from .method import Loss, Losses, Method, MethodContext, Stage, TrainingStep
from .parts.banks import GaussianBank
from .parts.teacher import MeanTeacher, TeacherStudent

FIRST, SECOND = "uncertainty", "retraining"


class AUA(TeacherStudent):
    """Stage 1: L_AUA + lambda_c L_BCL (equation 14); stage 2, from scratch: L_ced + lambda_r L_PCL (equation 15)."""

    def __init__(self, context: MethodContext) -> None:
        context = replace(context, build_network=lambda build=context.build_network: with_embedding(build()))
        super().__init__(context)
        channels, settings = self.student.feature_channels[self.prototype_level], context.settings
        self._fresh_network = context.build_network
        self._released = context.follows_released_code
        self.uncertainty = LowRankHead(context.dimensions, channels, context.num_classes, settings["rank"])
        self.teacher_uncertainty = MeanTeacher(self.uncertainty, settings["ema_decay"])
        self.projection = PointwiseProjection(context.dimensions, channels, normalized=not self._released)
        self.prototypes = GaussianBank(context.num_classes, channels)

    def stages(self) -> tuple[Stage, ...]:
        """Return the two stages, or the first alone for an ablation."""
        share = self.settings["first_stage_share"] if self.settings["use_retraining"] else 1.0
        first = Stage(FIRST, "Learning with uncertainty", share)
        batches = self.settings["prototype_batches"] if self.settings["use_prototypes"] else 0
        second = Stage(SECOND, "Learning from pseudo-labels", 1.0 - share, batches)
        return (first, second) if self.settings["use_retraining"] else (first,)

    def start_stage(self, stage: Stage, draw: Callable[[int], Batch]) -> None:
        """Freeze the student as labeler before stage 2, collect its prototypes, and create a new student."""
        if stage.name != SECOND:
            return
        self.teacher.network.load_state_dict(self.student.state_dict())
        for labeled in (draw(step).labeled for step in range(stage.batches)):
            self.prototypes.update(self.label(labeled.images).decoder_full, labeled.labels)
        self.student.load_state_dict(self._fresh_network().state_dict())

    def label(self, images: Tensor) -> NetworkOutput:
        """Return the output of the frozen student of stage 1 for images (B, C_in, *spatial), in evaluation mode."""
        self.teacher.eval()
        return self.teacher(images)

    def after_step(self, step: TrainingStep) -> None:
        """Average the teacher, with its head, in stage 1."""
        if step.stage != SECOND:
            super().after_step(step)
            self.teacher_uncertainty.update(self.uncertainty, step.index)

    def network_spec(self, planned: NetworkSpec) -> NetworkSpec:
        """Return the planned network with an embedding."""
        return replace(planned, embedded=True)

    def inference_network(self) -> SegmentationNetwork:
        """Return the student; the teacher belongs to the first stage."""
        return self.student

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of the stage that the settings leave on."""
        return self.retraining_losses(batch) if step.stage == SECOND else self.uncertainty_losses(batch, step)

    def uncertainty_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_AUA and L_BCL; the consistency is that of the unlabeled images (section III-C)."""
        labeled, images = batch.labeled, torch.cat([batch.labeled.images, batch.unlabeled.images])
        student = self.student(images)
        distribution = self._distribution(self.uncertainty(student), images)
        samples = antithetic_samples(*distribution, self.settings["sample_pairs"])

        count = len(labeled.images)
        likelihood = marginal_cross_entropy(samples[:count], labeled.labels)
        supervised = self._with_dice(likelihood, student.logits[:count], labeled.labels)
        consistency = self.consistency(samples[count:], batch.unlabeled.images)
        losses = {"supervised": Loss(supervised), "consistency": Loss(consistency, self.consistency_weight(step))}
        if self.settings["use_boundary"]:
            boundary = self.boundary_contrast(student.decoder_full[:count], labeled.labels)
            losses["boundary"] = Loss(boundary, self.settings["boundary_weight"])
        # L_con rewards diverse samples: whether the covariance explodes is worth watching.
        losses["independent_spread"] = Loss(distribution.deviation.detach().mean(), 0.0)
        losses["coherent_spread"] = Loss(distribution.factor.detach().norm(dim=1).mean(), 0.0)
        return losses

    def consistency(self, samples: Tensor, images: Tensor) -> Tensor:
        """Return L_con: energy distance of the student's samples to the teacher's on noisy images (equations 6 to 8).

        Args:
            samples: Logits (B, S, C, *spatial) that were drawn from the student's distribution.
            images: Images (B, C_in, *spatial).
        """
        noisy = self.noisy(images)
        distribution = self._distribution(self.teacher_uncertainty(self.teacher(noisy)), images)
        targets = antithetic_samples(*distribution, self.settings["sample_pairs"])
        # The paper sums over all classes; with a structure in few voxels the background would decide alone.
        first = 0 if self._released else 1
        return energy_distance(*(drawn.softmax(dim=2)[:, :, first:] for drawn in (samples, targets)))

    def boundary_contrast(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return L_BCL (equation 10) of features (B, L, *spatial) at voxels near boundaries of labels (B, *spatial)."""
        band = near_boundary(labels, one_sided=self._released)
        indices, counted = draw_voxels(band, self.settings["boundary_voxels"])
        vectors = features_at(self.projection(features), indices)
        chosen = labels.flatten(1).gather(1, indices)
        return supervised_contrast(vectors, chosen, counted, self.num_classes, self.settings["boundary_temperature"])

    def retraining_losses(self, batch: Batch) -> Losses:
        """Return L_ced on annotations and pseudo-labels, and L_PCL on both (equation 15)."""
        count = len(batch.labeled.images)
        labeled, unlabeled = self.student(torch.cat([batch.labeled.images, batch.unlabeled.images])).split(count)
        labels, pseudo = batch.labeled.labels, self.label(batch.unlabeled.images).logits.argmax(dim=1)
        entropy = functional.cross_entropy(labeled.logits, labels)
        pseudo_entropy = functional.cross_entropy(unlabeled.logits, pseudo)
        losses = {
            "supervised": Loss(self._with_dice(entropy, labeled.logits, labels)),
            "pseudo_label": Loss(self._with_dice(pseudo_entropy, unlabeled.logits, pseudo)),
        }
        if self.settings["use_prototypes"]:
            losses |= self.prototype_losses(labeled.decoder_full, labels, unlabeled.decoder_full, pseudo)
        return losses

    def prototype_losses(self, labeled: Tensor, labels: Tensor, unlabeled: Tensor, pseudo: Tensor) -> Losses:
        """Return L_PCL on labeled and pseudo-labeled images, and the length of its gradient in their features.

        Args:
            labeled: Embeddings (B, L, *spatial) of the labeled images.
            labels: Class indices (B, *spatial).
            unlabeled: Embeddings (B_u, L, *spatial) of the unlabeled images.
            pseudo: Class indices (B_u, *spatial) that the labeler gives.
        """
        classes, weight = self.prototypes.update(labeled, labels), self.settings["prototype_weight"]
        first = self.prototype_contrast(labeled, labels, classes)
        second = self.prototype_contrast(unlabeled, pseudo, classes)
        # With a high temperature its gradient almost vanishes, which the value does not show.
        gradients = torch.autograd.grad(first + second, (labeled, unlabeled), retain_graph=True)
        length = torch.stack([gradient.float().norm() for gradient in gradients]).norm()
        return {
            "prototype_labeled": Loss(first, weight),
            "prototype_unlabeled": Loss(second, weight),
            "prototype_gradient": Loss(length, 0.0),
        }

    def prototype_contrast(self, features: Tensor, labels: Tensor, classes: GaussianClasses) -> Tensor:
        """Return L_PCL of features (B, L, *spatial) with labels or pseudo-labels (B, *spatial) (equation 12)."""
        released = self._released
        classes = classes.on_the_sphere() if released else classes
        temperature = self.settings["prototype_temperature"]
        return prototype_contrast(
            features, labels, classes, temperature, unit_features=released, background_anchors=not released
        )

    def _distribution(self, distribution: LogitDistribution, images: Tensor) -> LogitDistribution:
        """Return a distribution that is certain outside of the tissue, where the setting says so.

        Tissue is above 0 before normalisation, as released; in normalised images (B, 1, *spatial) 0 is the minimum.
        """
        if not self.settings["tissue_only"]:
            return distribution
        lowest = images.flatten(1).amin(dim=1)
        return distribution.masked((images > append_axes(lowest, images)).to(images.dtype))

    def _with_dice(self, cross_entropy: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return half a cross-entropy plus half the Dice loss of the structures."""
        target = one_hot(labels, self.num_classes)
        return 0.5 * (cross_entropy + dice_loss(logits.softmax(dim=1), target, include_background=False))


def build(context: MethodContext) -> Method:
    """Build the method."""
    return AUA(context)
