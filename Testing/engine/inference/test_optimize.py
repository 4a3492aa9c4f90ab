from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.inference.optimize import optimize_for_inference
from SemiSupervisedSegLib.engine.networks.factory import build_network

SIZES = {"unet_2d": (32, 32), "v_net": (16, 16, 16), "v_net_instance": (32, 32, 32), "unet_3d": (32, 32, 32)}


def trained(name: str) -> nn.Module:
    """A network whose normalisations have seen images that are not standard normal."""
    torch.manual_seed(0)
    network = build_network(name, 1, 3).train()
    with torch.no_grad():
        for _ in range(3):
            network(3 * torch.randn(2, 1, *(32,) * len(SIZES[name])) + 2)
    return network.eval()


@pytest.mark.parametrize("name", SIZES)
def test_answers_are_those_of_the_network(name):
    network = trained(name)
    images = torch.randn(2, 1, *SIZES[name])
    with torch.inference_mode():
        expected, fast = (
            answer.logits.softmax(dim=1) for answer in (network(images), optimize_for_inference(network)(images))
        )
    # Instance normalisation over few voxels enlarges the rounding of what comes before it.
    torch.testing.assert_close(fast, expected, atol=1e-4, rtol=0)


def test_normalizations_after_convolutions_are_gone_and_the_network_keeps_its_own():
    network = trained("v_net")
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        fast = optimize_for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in fast.modules())
    assert network.state_dict().keys() == before.keys()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


def test_normalization_by_the_images_at_hand_stays():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    images = torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(optimize_for_inference(network)(images), network(images))


def test_network_in_training_goes_on_and_its_copy_predicts():
    network = trained("unet_2d").train()
    images = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        fast = optimize_for_inference(network)(images).logits
        assert all(module.training for module in network.modules())
        torch.testing.assert_close(fast, network.eval()(images).logits, atol=1e-3, rtol=1e-3)
