"""Dynamic convolutions against loops in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.networks.dynamic_convolution import DynamicConvolution
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.planning.networks import NetworkSpec

from .. import reference
from ..reference import array


def depthwise(image, kernels):
    """Cross-correlation of each channel of an image (L, *spatial) with its kernel (L, *sides), zero outside."""
    padded = np.pad(image, [(0, 0)] + [(1, 1)] * (image.ndim - 1))
    result = np.zeros_like(image)
    for offset in itertools.product(range(3), repeat=image.ndim - 1):
        part = padded[(slice(None), *(slice(o, o + n) for o, n in zip(offset, image.shape[1:], strict=True)))]
        result += part * kernels[(slice(None), *offset)].reshape(-1, *(1,) * (image.ndim - 1))
    return result


@pytest.mark.parametrize("size", [(5, 4), (3, 4, 5)])
def test_values(size):
    block = DynamicConvolution(len(size), 8).double()
    maps = torch.randn(3, 8, *size, dtype=torch.float64)
    first, second, gate = (array(layer.weight) for layer in (block.attention[1], block.attention[3], block.gate))
    assert first.shape[0] == 3, "a quarter of the channels, and one"
    expected = []
    for image in array(maps):
        hidden = np.maximum(first.reshape(3, 8) @ image.reshape(8, -1).mean(axis=1), 0)
        scores = second.reshape(4, 3) @ hidden + array(block.attention[3].bias)
        shares = reference.softmax(scores / 34, axis=0)
        kernels = array(block.kernels).reshape(4, 8, *(3,) * len(size))
        found = depthwise(image, np.tensordot(shares, kernels, axes=1))
        weight = 1 / (1 + np.exp(-(np.tensordot(gate.reshape(8), found, axes=1) + array(block.gate.bias))))
        expected.append(image + weight * found)
    np.testing.assert_allclose(array(block(maps)), np.stack(expected), atol=1e-12)


def test_kernels_depend_on_the_image_alone():
    block = DynamicConvolution(2, 4)
    with torch.no_grad():
        block.attention[3].weight.mul_(1000)
    maps = torch.randn(3, 4, 8, 8)
    torch.testing.assert_close(block(maps)[1:2], block(maps[1:2]))
    constant = torch.ones(1, 4, 8, 8)
    doubled = block(2 * constant)[0, :, 4, 4]
    assert not torch.allclose(doubled, 2 * block(constant)[0, :, 4, 4], rtol=1e-3), "not linear"


@pytest.mark.parametrize(
    ("name", "size"), [("unet_2d", (16, 16)), ("v_net", (16, 16, 32)), ("folded_unet_2d", (32, 16))]
)
def test_it_stands_behind_the_encoder_of_a_network_that_is_built_by_its_name(name, size):
    network = build_network(name, 1, 3, dynamic=True).eval()
    again = build_network(name, 1, 3, dynamic=True).eval()
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 1, *size)
    memory_format = (torch.channels_last, torch.channels_last_3d)[len(size) - 2]
    with torch.no_grad():
        output = network(images)
        torch.testing.assert_close(again.to(memory_format=memory_format)(images).logits, output.logits)
        encoder = network.encoder.stages
        plain = images
        for stage in encoder[:-1]:
            plain = stage(plain)
        torch.testing.assert_close(output.bottleneck, encoder[-1][1](encoder[-1][0](plain)))


def test_a_network_says_that_it_has_one():
    assert str(NetworkSpec("v_net", dynamic=True)) == "v_net with dynamic convolution"
