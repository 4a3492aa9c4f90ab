"""The small heads by which SS-Net compares features with a memory of each class."""

from __future__ import annotations

from torch import Tensor, nn

WIDTH = 32
"""Of projected features, and the number of features that the memory keeps of a class (SS-Net section 3.2)."""


class SeparationHeads(nn.Module):
    """Projector g, predictor q, and for every class the attention over queries and over the memory.

    All work on lists of features (N, channels), with at least two entries while training.

    Args:
        channels: Number of channels of the classifier's input.
        num_classes: Number of classes, background included.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.projector = _perceptron(channels, nn.ReLU(), WIDTH)
        self.predictor = _perceptron(WIDTH, nn.ReLU(), WIDTH)
        self.query_attention = _attentions(num_classes)
        self.memory_attention = _attentions(num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return queries q(g(h)) (N, 32) of features (N, channels)."""
        return self.predictor(self.projector(features))


def _perceptron(channels: int, activation: nn.Module, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, WIDTH), nn.BatchNorm1d(WIDTH), activation, nn.Linear(WIDTH, outputs))


def _attentions(num_classes: int) -> nn.ModuleList:
    """Return one score between 0 and 1 per feature, by class."""
    heads = [
        nn.Sequential(*_perceptron(WIDTH, nn.LeakyReLU(0.2), 1), nn.Sigmoid(), nn.Flatten(0))
        for _ in range(num_classes)
    ]
    return nn.ModuleList(heads)
