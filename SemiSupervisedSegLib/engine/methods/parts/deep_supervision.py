"""The supervised loss, also of coarser decoder maps where the setting "deep_supervision" says so.

C.-Y. Lee et al., AISTATS 2015; with the weights of nnU-Net (Isensee et al., Nature Methods 2021).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from ...losses.overlap import supervised_loss
from ...networks.base import SegmentationNetwork
from ...networks.layers import CONVOLUTION
from ...networks.output import NetworkOutput


class SupervisedLoss(nn.Module):
    """A loss on annotations: L = (L_1 + L_2 / 2 + L_4 / 4) / (1 + 1/2 + 1/4) with deep supervision, else L_1.

    L_1 is the loss of the logits, L_2 and L_4 that of linear classifiers of the decoder's maps at half and quarter
    resolution, on every second and fourth voxel of the annotation. The classifiers belong to this loss, not to the
    network: nothing of them is left in a trained model.

    Args:
        network: Network whose outputs are compared.
        num_classes: Number of classes, background included.
        dimensions: Spatial dimensions of the patches, 2 or 3.
        deep: Whether coarser maps count.

    Examples:
        >>> from ...networks.unet2d import unet_2d
        >>> network = unet_2d(1, 3)
        >>> [tuple(head.weight.shape[:2]) for head in SupervisedLoss(network, 3, dimensions=2, deep=True).heads]
        [(3, 32), (3, 64)]
        >>> len(list(SupervisedLoss(network, 3, dimensions=2, deep=False).parameters()))
        0
    """

    def __init__(self, network: SegmentationNetwork, num_classes: int, dimensions: int, deep: bool) -> None:
        super().__init__()
        channels = network.coarse_channels if deep else ()
        self.heads = nn.ModuleList(CONVOLUTION[dimensions](width, num_classes, 1) for width in channels)

    def forward(
        self, output: NetworkOutput, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor] = supervised_loss
    ) -> Tensor:
        """Return the loss of an output for class indices (B, *spatial).

        Args:
            output: Output for the labeled images.
            labels: Class indices (B, *spatial).
            loss: Function of logits (B, C, *spatial) and class indices.
        """
        value, weights = loss(output.logits, labels), 1.0
        for level, head in enumerate(self.heads, start=1):
            logits = head(output.coarse_maps[level - 1])
            weight = 0.5**level
            value, weights = value + weight * loss(logits, _coarser(labels, logits)), weights + weight
        return value / weights if self.heads else value


def _coarser(labels: Tensor, logits: Tensor) -> Tensor:
    """Return the labels (B, *spatial) at the resolution of some logits (B, C, *coarse)."""
    return functional.interpolate(labels[:, None].float(), size=logits.shape[2:], mode="nearest")[:, 0].to(labels.dtype)
