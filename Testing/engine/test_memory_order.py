"""The memory order of a training is measured once, for patches large enough to matter, and kept with the round."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from SemiSupervisedSegLib.engine import memory_order
from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.engine.memory_order import fastest_memory_order, memory_format
from SemiSupervisedSegLib.engine.networks.output import NetworkOutput

LARGE, SMALL = (256, 256), (64, 64)


class OneLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Dropout(0.5))

    def forward(self, images: Tensor) -> NetworkOutput:
        logits = self.layer(images)
        return NetworkOutput(logits, logits, logits, logits)


@pytest.mark.parametrize(
    ("contiguous", "patch", "order"),
    [
        (0.5, LARGE, "contiguous"),
        (0.95, LARGE, "channels_last"),
        (2.0, LARGE, "channels_last"),
        (0.5, SMALL, "channels_last"),
    ],
)
def test_the_order_has_to_be_clearly_faster(monkeypatch, contiguous: float, patch: tuple[int, int], order: str) -> None:
    def seconds(network: nn.Module, patch: tuple[int, int], device: object, layout: torch.memory_format) -> float:
        return contiguous if layout is torch.contiguous_format else 1.0

    monkeypatch.setattr(memory_order, "_seconds_of_step", seconds)
    assert fastest_memory_order(OneLayer(), patch, choose_device("cpu", "float32")) == order


def test_a_measurement_changes_neither_the_network_nor_the_random_numbers() -> None:
    network = OneLayer().eval()
    before = [parameter.clone() for parameter in network.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert fastest_memory_order(network, LARGE, choose_device("cpu", "float32")) in memory_order.ORDERS
    assert torch.equal(torch.rand(2), expected)
    assert all(map(torch.equal, before, network.parameters()))
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_formats_of_the_orders() -> None:
    assert memory_format("channels_last", 2) is torch.channels_last
    assert memory_format("channels_last", 3) is torch.channels_last_3d
    assert memory_format("contiguous", 3) is torch.contiguous_format
    assert math.prod(LARGE) >= 2**16 > math.prod(SMALL)
