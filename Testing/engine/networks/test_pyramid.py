from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from SemiSupervisedSegLib.engine.networks.factory import BUILDERS, build_network
from SemiSupervisedSegLib.engine.networks.perturbations import FeatureDropout, FeatureNoise
from SemiSupervisedSegLib.engine.networks.pyramid import PyramidHeads


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_has_a_prediction_at_three_coarse_scales(name):
    dimensions = 2 if name.endswith("2d") else 3
    network = build_network(name, 1, 3).eval()
    heads = PyramidHeads(network).eval()
    size = (32,) * dimensions
    with torch.no_grad():
        maps = network.decoder(network.encoder(torch.randn(1, 1, *size)))
        answers = heads(maps[:-1], size)
    assert [tuple(answer.shape) for answer in answers] == [(1, 3, *size)] * 3
    mode = {2: "nearest", 3: "trilinear"}[dimensions]
    for answer, head, features in zip(answers, heads.heads, maps[:-1], strict=True):
        assert torch.equal(answer, functional.interpolate(head[1](features), size=size, mode=mode))


def test_maps_are_disturbed_as_released():
    flat, deep = PyramidHeads(build_network("unet_2d", 1, 2)), PyramidHeads(build_network("unet_3d", 1, 2))
    dropout, attention, noise = (head[0] for head in flat.heads)
    assert dropout.p == 0.5
    assert isinstance(attention, FeatureDropout)
    assert isinstance(noise, FeatureNoise)
    assert [head[0].p for head in deep.heads] == [0.5, 0.3, 0.2]


def test_the_layers_have_the_kernels_of_the_classifier():
    sizes = {
        name: {head[1].kernel_size for head in PyramidHeads(build_network(name, 1, 2)).heads}
        for name in ("unet_2d", "unet_3d")
    }
    assert sizes == {"unet_2d": {(3, 3)}, "unet_3d": {(1, 1, 1)}}
