"""A network whose classifier reads an additional embedding, as AUA uses the V-Net."""

from __future__ import annotations

from torch import Tensor, nn

from .base import SegmentationNetwork


class EmbeddedStage(nn.Module):
    """A decoder stage followed by a 1x1 convolution of the same width."""

    def __init__(self, stage: nn.Module, embedding: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.embedding = embedding

    def forward(self, *maps: Tensor) -> Tensor:
        """Return the embedding (B, L, *spatial) of the result of the stage for its maps (B, L', *spatial)."""
        return self.embedding(self.stage(*maps))


def with_embedding(network: SegmentationNetwork) -> SegmentationNetwork:
    """Put an embedding f (B, L, *spatial) between the last decoder stage and the classifier (AUA section IV-B).

    f is a 1x1 convolution of the last decoder map, without activation, and takes its place as the feature level
    "decoder_full"; the logits are a 1x1 convolution of ReLU(f), and so can other heads be. The network is changed in
    place and returned.
    """
    channels = network.feature_channels["decoder_full"]
    classifier = network.classifier()
    convolution, classes = type(classifier), classifier.out_channels
    stages = network.decoder.stages
    stages[-1] = EmbeddedStage(stages[-1], convolution(channels, channels, 1))
    network.head = nn.Sequential(nn.ReLU(), convolution(channels, classes, 1))
    return network
