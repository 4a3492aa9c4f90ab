"""Gradients of small maps in bfloat16, on processors that compute some of them wrong."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.networks.discriminator import Discriminator
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.networks.small_maps import SmallMapConv3d, protect_small_maps

SHAPES = [(2, 2, 2), (2, 4, 4), (2, 7, 16), (1, 4, 4), (4, 2, 8), (6, 6, 6)]


def leave_rubbish_in_freed_memory():
    rubbish = [torch.full((count,), float("nan")) for count in (100, 5000, 20000, 200000) for _ in range(8)]
    del rubbish


def gradients(convolution, images, weights, autocast):
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        maps = convolution(images)
    leave_rubbish_in_freed_memory()
    loss = (maps.float() * weights).sum()
    return maps, torch.autograd.grad(loss, [images, *convolution.parameters()])


@pytest.mark.parametrize("channels", [1, 32])
@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_gradients_in_bfloat16_are_those_of_float32(channels, size, memory_format):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv3d(channels, 32, 3, padding=1)).to(memory_format=memory_format)
    protect_small_maps(layer)
    images = torch.randn(2, channels, *size).contiguous(memory_format=memory_format)
    weights = torch.randn(2, 32, *size)
    expected, exact = gradients(layer, images, weights, autocast=False)
    maps, found = gradients(layer, images, weights, autocast=True)
    assert maps.dtype == torch.bfloat16
    for value, reference in zip((maps, *found), (expected, *exact), strict=True):
        assert (value - reference).abs().max() < 0.03 * reference.abs().max()


@pytest.mark.parametrize(
    "module",
    [build_network("v_net", 1, 2), build_network("monai_basic_unet_3d", 1, 2), Discriminator(3, 2, 1)],
    ids=["v_net", "monai_basic_unet_3d", "discriminator"],
)
def test_every_network_and_its_copies_are_protected(module):
    for network in (module, copy.deepcopy(module)):
        convolutions = [part for part in network.modules() if isinstance(part, nn.Conv3d)]
        assert convolutions
        assert all(isinstance(part, SmallMapConv3d) for part in convolutions)
