"""AHDC: images are mapped between two sites, and two networks with two branches each agree on both versions.

J. Chen et al., IEEE Transactions on Medical Imaging 41, 2022. An approximate reconstruction: the public code has
networks only. The form of the mappings, all weights, and that the local network predicts for both sites are choices of
this project.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..data.batch import Batch
from ..losses.consistency import probability_consistency
from ..losses.overlap import supervised_loss
from ..networks.discriminator import Discriminator
from ..networks.global_branch import GlobalBranch
from ..networks.image_mapping import ImageMapping
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, Objective, TrainingStep, total
from .parts.adversary import DISCRIMINATOR_OPTIMIZER, discriminator_loss
from .parts.batchnorm import eval_mode

Branches = tuple[Tensor, Tensor]
"""Logits (B, C, *spatial) of the local and of the global branch."""


class HierarchicalDualConsistency(Method):
    """L = L_sup + lambda(t) (L_intra + L_inter), on images as of the local site and as of the other ones.

    Two mappings, local to external and back, give every image in both versions; a network for each version segments
    it. L_sup is that of both branches of both networks, for annotated images in both versions. L_intra is the squared
    difference between the branches of a network, L_inter that between the two networks, on images without annotation.

    The mappings learn by bidirectional adversarial inference: a discriminator tells pairs (local image, what it is
    mapped to) from pairs (what it is mapped to, external image), and the mappings make that hard. Images that are
    mapped there and back shall be the same, so that annotations stay valid.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.external_student = context.build_network()
        self.branch, self.external_branch = GlobalBranch(self.student), GlobalBranch(self.external_student)
        self.to_external, self.to_local = (ImageMapping(context.build_network()) for _ in range(2))
        self.discriminator = Discriminator(context.dimensions, num_classes=1, in_channels=1)
        self._judged: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))

    def objectives(self) -> tuple[Objective, ...]:
        """Return the segmentation and, after it in each step, the mappings and the discriminator."""
        segmenters = [self.student, self.external_student, self.branch, self.external_branch, self.supervised_loss]
        mappings = nn.ModuleList([self.to_external, self.to_local])
        return (
            Objective("segmentation", self.losses, nn.ModuleList(segmenters)),
            Objective("mappings", self.mapping_losses, mappings, DISCRIMINATOR_OPTIMIZER),
            Objective("discriminator", self.discriminator_losses, self.discriminator, DISCRIMINATOR_OPTIMIZER),
        )

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup, L_intra and L_inter; the mappings are constant."""
        local, external = self.matched(batch)
        here = logits_of_both(local, self.student, self.branch)
        there = logits_of_both(external, self.external_student, self.external_branch)
        labels, count = batch.labeled.labels, len(batch.labeled.images)
        supervised = total(supervised_loss(logits[:count], labels) for logits in (*here, *there))
        intra = total(probability_consistency(*(logits[count:] for logits in pair)) for pair in (here, there))
        inter = probability_consistency(here[0][count:], there[0][count:])
        weight = self.consistency_weight(step)
        return {
            "supervised": Loss(supervised),
            "intra_domain": Loss(intra, weight),
            "inter_domain": Loss(inter, weight),
        }

    @torch.no_grad()
    def matched(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return all images (B, 1, *spatial) as of the local and as of the other sites, the annotated ones first."""
        own, others = torch.cat([batch.labeled.images, batch.unlabeled.images]), batch.external.images
        return torch.cat([own, self.to_local(others)]), torch.cat([self.to_external(own), others])

    def mapping_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return how little the discriminator is fooled, and what of the images is lost on the way there and back.

        Annotated images are not mapped for this: those without annotation are of the same site, and more.
        """
        own, others = batch.unlabeled.images, batch.external.images
        as_external, as_local = self.to_external(own), self.to_local(others)
        with eval_mode(self.discriminator):
            pairs = torch.cat([as_local, own]), torch.cat([others, as_external])
            adversarial = discriminator_loss(self.discriminator, *pairs, len(others))
        self._judged = torch.cat([own, as_local]).detach(), torch.cat([as_external, others]).detach()
        back = total(
            functional.l1_loss(promote(mapped), images)
            for mapped, images in ((self.to_local(as_external), own), (self.to_external(as_local), others))
        )
        return {"adversarial": Loss(adversarial), "way_back": Loss(back)}

    def discriminator_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the cross-entropy of the discriminator on the pairs that the mappings were judged by."""
        count = len(batch.unlabeled.images)
        return {"discriminator": Loss(discriminator_loss(self.discriminator, *self._judged, count))}


def logits_of_both(images: Tensor, network: nn.Module, branch: nn.Module) -> Branches:
    """Return the logits of both branches of a network for images (B, 1, *spatial)."""
    output = network(images)
    return output.logits, branch(output.decoder_full)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return HierarchicalDualConsistency(context)
