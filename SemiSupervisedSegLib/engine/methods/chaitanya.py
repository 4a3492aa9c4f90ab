"""Chaitanya et al.: encoder and decoder are pre-trained by two contrastive losses, then annotations are learned.

K. Chaitanya et al., Contrastive learning of global and local features for medical image segmentation with limited
annotations, NeurIPS 2020. For slices; that volumes are compared slice by slice, too, is a choice of this project.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.batch import Batch
from ..losses.overlap import one_hot, sample_dice_loss
from ..losses.region_contrast import pair_contrast, partition_pairs, region_pairs
from ..networks.contrast_heads import RegionHead, SliceHead
from .method import Loss, Losses, Method, MethodContext, Stage, TrainingStep
from .parts.views import enlarged_parts, other_contrast

ENCODER, DECODER, SEGMENTATION = "encoder", "decoder", "segmentation"
PART = 0.52
"""Side of the parts of an image that the encoder sees, as released: 100 of 192 pixels."""
NEIGHBOURS = 5
"""Regions with which a region is contrasted in each view, as released."""


class GlobalAndLocalContrast(Method):
    """L_global of the encoder, then L_local of the decoder behind a frozen encoder, then Dice of the annotations.

    L_global: cases are divided along the slice axis into partitions. Slices of one partition, of whatever case and
    view, are alike, those of different ones are not (G^D). L_local: a region of the decoder's map is the same in both
    views of an image, and is not what lies next to it (L^R); of the decoder the stages up to a quarter of the
    resolution learn from it.
    """

    same_region: Tensor
    other_region: Tensor

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.slice_head = SliceHead(self.student.feature_channels["bottleneck"])
        self.region_head = RegionHead(context.dimensions, self.student.coarse_channels[-1])
        positives, negatives = region_pairs(self.region_head.places, NEIGHBOURS)
        self.register_buffer("same_region", positives, persistent=False)
        self.register_buffer("other_region", negatives, persistent=False)

    def stages(self) -> tuple[Stage, ...]:
        """Return the two parts of pre-training, equally long, and the training on annotations."""
        share = self.settings["pretraining_share"]
        return (
            Stage(ENCODER, "Comparing slices", share / 2),
            Stage(DECODER, "Comparing regions", share / 2),
            Stage(SEGMENTATION, "Learning from annotations", 1 - share),
        )

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the loss of the stage that training is in; both contrastive ones take all images."""
        if step.stage == SEGMENTATION:
            return self.supervised_losses(batch)
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        temperature = self.settings["contrast_temperature"]
        if step.stage == DECODER:
            pairs = self.same_region, self.other_region
            return {"local_contrast": Loss(pair_contrast(self.regions(images), *pairs, temperature))}
        assert batch.labeled.extents is not None and batch.unlabeled.extents is not None
        extents = torch.cat([batch.labeled.extents, batch.unlabeled.extents])
        vectors, partitions = self.slices(images, extents)
        return {"global_contrast": Loss(pair_contrast(vectors, *partition_pairs(partitions), temperature))}

    def slices(self, images: Tensor, extents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors (N, L) of all slices of the encoder's last map in two views, and their partitions (N,).

        Args:
            images: Images (B, C_in, *spatial).
            extents: Places (B, 2) of their first and last slice in their case.
        """
        views = torch.cat([other_contrast(enlarged_parts(images, PART)) for _ in range(2)])
        maps = self.student.encoder(views)[-1]
        count = maps.shape[2] if maps.dim() == 5 else 1
        middles = (torch.arange(count, device=extents.device) + 0.5) / count
        places = extents[:, :1] + (extents[:, 1:] - extents[:, :1]) * middles
        partitions = (places * self.settings["partitions"]).floor().clamp(0, self.settings["partitions"] - 1)
        return self.slice_head(maps), partitions.flatten().repeat(2)

    def regions(self, images: Tensor) -> Tensor:
        """Return the vectors (B, 2 A, L) of the regions of the decoder's map in two views, the encoder being constant.

        Args:
            images: Images (B, C_in, *spatial), of which both views have the same voxels.
        """
        views = torch.cat([other_contrast(images) for _ in range(2)])
        with torch.no_grad():
            skips = self.student.encoder(views)
        vectors = self.region_head(self.student.from_skips(skips).coarse_maps[-1])
        return torch.cat(vectors.chunk(2), dim=1)

    def supervised_losses(self, batch: Batch) -> Losses:
        """Return the Dice of all classes, for each image; cross-entropy is not part of it."""
        labels = batch.labeled.labels
        probabilities = self.student(batch.labeled.images).logits.softmax(dim=1)
        dice = sample_dice_loss(probabilities, one_hot(labels, self.num_classes), torch.ones_like(labels))
        return {"supervised": Loss(dice)}


def build(context: MethodContext) -> Method:
    """Build the method."""
    return GlobalAndLocalContrast(context)
