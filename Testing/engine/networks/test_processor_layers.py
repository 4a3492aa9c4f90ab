"""Layers that are faster on processors compute what those of PyTorch compute."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from SemiSupervisedSegLib.engine.methods.parts.batchnorm import RecomputeWithoutBatchNormUpdate, frozen_statistics
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.networks.processor_layers import suit_processors

LAYERS = {4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
ORDERS = {4: torch.channels_last, 5: torch.channels_last_3d}
SHAPES = [(3, 16, 96, 64), (5, 32, 64, 64), (2, 16, 24, 32, 32), (1, 4, 64, 64, 64)]
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 1e-2}


def pair(shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """A normalisation with an activation that overwrites its result, as PyTorch has it and as the networks have it."""
    norm = LAYERS[len(shape)](shape[1])
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    plain = nn.Sequential(norm, nn.Softplus(), nn.ReLU(inplace=True))
    fast = copy.deepcopy(plain)
    suit_processors(fast)
    return plain, fast


def passed(layers: nn.Module, maps: Tensor, weights: Tensor) -> list[Tensor]:
    """The result, all gradients and all buffers after a step."""
    maps = maps.clone().requires_grad_()
    result = layers(maps)
    result.backward(weights)
    return [result.detach(), maps.grad, *(each.grad for each in layers.parameters()), *layers.buffers()]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_normalisation_is_that_of_pytorch_in_float64(shape, dtype):
    torch.manual_seed(0)
    plain, fast = pair(shape)
    # A mean far from zero would show sums of squares, whose difference loses digits.
    maps = (torch.randn(shape) + 20).to(dtype).contiguous(memory_format=ORDERS[len(shape)])
    weights = torch.randn_like(maps)
    assert "_Normalization" in type(fast[0](maps.clone().requires_grad_()).grad_fn).__name__
    fast[0].reset_running_stats()
    exact = passed(plain.double(), maps.double(), weights.double())
    for expected, found in zip(exact, passed(fast, maps, weights), strict=True):
        largest = expected.abs().max().clamp_min(1e-6)
        assert (found - expected).abs().max() <= TOLERANCES[dtype] * largest


def test_frozen_and_repeated_passes_leave_the_statistics():
    plain, fast = pair((3, 16, 96, 64))
    maps = torch.randn(3, 16, 96, 64).contiguous(memory_format=torch.channels_last)
    before = copy.deepcopy(fast.state_dict())
    for untouched in (frozen_statistics(fast), RecomputeWithoutBatchNormUpdate(fast)):
        with untouched:
            torch.testing.assert_close(fast(maps), plain(maps))
        for name, value in fast.state_dict().items():
            assert torch.equal(value, before[name])


def test_maps_of_other_orders_and_evaluation_are_computed_by_pytorch():
    plain, fast = pair((2, 16, 24, 32, 32))
    maps = torch.randn(2, 16, 24, 32, 32)
    assert torch.equal(fast(maps), plain(maps))
    maps = maps.contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(fast.eval()(maps), plain.eval()(maps))


@pytest.mark.parametrize("autocast", [False, True])
def test_transposed_convolution_has_the_gradients_of_pytorch(autocast):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.ConvTranspose3d(8, 4, 2, stride=2), nn.ReLU(inplace=True))
    fast = copy.deepcopy(plain)
    suit_processors(fast)
    maps = torch.randn(2, 8, 6, 4, 4)
    answers = []
    for layers in (plain, fast):
        images = maps.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            result = layers(images)
        (result.float() ** 2).sum().backward()
        answers.append([result.detach(), images.grad, *(each.grad for each in layers.parameters())])
    for expected, found in zip(*answers, strict=True):
        tolerance = 1e-2 if autocast else 1e-5
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("name", ["unet_2d", "v_net", "monai_basic_unet_3d", "folded_unet_2d"])
def test_networks_keep_the_names_of_their_weights_and_have_no_slow_layer(name):
    network = build_network(name, 1, 2)
    slow = (nn.BatchNorm2d, nn.BatchNorm3d, nn.Conv3d, nn.ConvTranspose3d)
    assert not any(type(module) in slow for module in network.modules())
    again = build_network(name, 1, 2)
    again.load_state_dict(network.state_dict())
