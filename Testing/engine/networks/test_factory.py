from __future__ import annotations

import pytest
import torch
from monai.networks.nets import BasicUNet

from SemiSupervisedSegLib.engine.networks.factory import BUILDERS, build_network
from SemiSupervisedSegLib.study.errors import UserError


def count(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "classes", "parameters"), [("unet_2d", 4, 1_813_764), ("v_net", 2, 9_448_866)])
def test_parameter_count_is_that_of_the_papers(name, classes, parameters):
    assert count(build_network(name, 1, classes)) == parameters


def test_unet_3d_has_the_size_of_the_paper():
    assert round(count(build_network("unet_3d", 1, 2)) / 1e6, 2) == pytest.approx(5.88, abs=0.011)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_basic_unet_computes_what_monai_computes(dimensions):
    ours, theirs = build_network(f"monai_basic_unet_{dimensions}d", 1, 3), BasicUNet(dimensions, 1, 3)
    values = list(theirs.state_dict().values())
    assert [value.shape for value in ours.state_dict().values()] == [value.shape for value in values]
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    images = torch.randn(2, 1, *[32] * dimensions)
    with torch.no_grad():
        assert torch.equal(ours(images).logits, theirs(images))


@pytest.mark.parametrize("name", BUILDERS)
def test_every_level_has_its_resolution(name):
    dimensions = 2 if name.endswith("2d") else 3
    network = build_network(name, 1, 3).eval()
    with torch.no_grad():
        output = network(torch.randn(1, 1, *[32] * dimensions))
    assert output.logits.shape == (1, 3, *[32] * dimensions)
    assert output.decoder_full.shape[2:] == (32,) * dimensions
    assert output.decoder_half.shape[2:] == (16,) * dimensions
    assert output.bottleneck.shape[2:] == (2,) * dimensions
    for level, channels in network.feature_channels.items():
        assert output.features(level).shape[1] == channels


@pytest.mark.parametrize("upsampling", ["transposed", "linear", "nearest"])
@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_can_upsample_in_every_way(name, upsampling):
    dimensions = 2 if name.endswith("2d") else 3
    network = build_network(name, 1, 3, upsampling=upsampling)
    kinds = {type(module).__name__ for module in network.decoder.modules()}
    interpolated = {module.mode for module in network.decoder.modules() if isinstance(module, torch.nn.Upsample)}
    assert network.upsampling == upsampling
    assert any(kind.startswith("ConvTranspose") for kind in kinds) == (upsampling == "transposed")
    linear = {2: "bilinear", 3: "trilinear"}[dimensions]
    assert interpolated == {"transposed": set(), "linear": {linear}, "nearest": {"nearest"}}[upsampling]
    assert network(torch.randn(2, 1, *[32] * dimensions)).logits.shape == (2, 3, *[32] * dimensions)


def test_two_decoders_on_one_encoder_have_the_size_of_mc_net():
    own, other = build_network("v_net", 1, 2), build_network("v_net", 1, 2, upsampling="linear")
    assert round((count(own) + count(other.decoder) + count(other.head)) / 1e6, 2) == 12.35


def test_unknown_name_is_explained():
    with pytest.raises(UserError, match=r'no network called "resnet".*v_net'):
        build_network("resnet", 1, 2)
