"""A second head that predicts signed distance maps."""

from __future__ import annotations

from torch import nn

from .base import SegmentationNetwork
from .layers import convolution_like


class DistanceHead(nn.Sequential):
    """A convolution like the network's classifier and tanh: distances of every structure, from -1 to 1 (SASSNet, DTC).

    It reads the input of the classifier (B, L, *spatial) and returns signed distances (B, C - 1, *spatial).

    Args:
        network: Network beside whose classifier it stands.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        classifier = network.classifier()
        super().__init__(convolution_like(classifier, classifier.in_channels, classifier.out_channels - 1), nn.Tanh())
