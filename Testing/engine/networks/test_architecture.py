"""The networks against the description of the papers, counted and composed independently."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.losses.overlap import supervised_loss
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.networks.vnet import v_net

WIDTHS = (16, 32, 64, 128, 256)
PAPERS = [("unet_2d", (32, 32)), ("v_net", (16, 16, 32)), ("unet_3d", (32, 32, 32))]


def convolution(before, after, side, dimensions):
    return before * after * side**dimensions + after


def unet_2d_count(classes):
    """Blocks of two 3x3 convolutions with batch normalisation; 1x1 convolutions on the way up; a 3x3 head."""

    def block(before, after):
        return convolution(before, after, 3, 2) + convolution(after, after, 3, 2) + 4 * after

    down = sum(block(before, after) for before, after in zip((1, *WIDTHS), WIDTHS, strict=False))
    up = sum(convolution(2 * w, w, 1, 2) + block(2 * w, w) for w in WIDTHS[:-1])
    return down + up + convolution(16, classes, 3, 2)


def v_net_count(classes, norm=2):
    """1, 2, 3, 3, 3 and 3, 3, 2, 1 layers of 3x3x3 convolutions, 2x2x2 between the stages, a 1x1x1 head."""

    def layer(before, after, side=3):
        return convolution(before, after, side, 3) + norm * after

    down = layer(1, 16) + sum(n * layer(w, w) for n, w in zip((2, 3, 3, 3), WIDTHS[1:], strict=True))
    up = sum(n * layer(w, w) for n, w in zip((1, 2, 3, 3), WIDTHS[:-1], strict=True))
    between = sum(layer(w, 2 * w, 2) + layer(2 * w, w, 2) for w in WIDTHS[:-1])
    return down + up + between + convolution(16, classes, 1, 3)


def unet_3d_count(classes):
    """Blocks of two 3x3x3 convolutions; the way up takes the skip and the upsampled map together; a 1x1x1 head."""

    def block(before, after):
        return convolution(before, after, 3, 3) + convolution(after, after, 3, 3)

    down = sum(block(before, after) for before, after in zip((1, *WIDTHS), WIDTHS, strict=False))
    up = sum(block(3 * w, w) for w in WIDTHS[:-1])
    return down + up + convolution(16, classes, 1, 3)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize(
    ("name", "expected"), [("unet_2d", unet_2d_count), ("v_net", v_net_count), ("unet_3d", unet_3d_count)]
)
def test_parameters_are_those_of_the_described_layers(name, expected, classes):
    assert sum(p.numel() for p in build_network(name, 1, classes).parameters()) == expected(classes)


def test_instance_normalisation_of_the_v_net_has_no_parameters():
    assert sum(p.numel() for p in v_net(1, 2, "instance").parameters()) == v_net_count(2, norm=0)


@pytest.mark.parametrize(
    ("name", "kind", "rates"),
    [
        ("unet_2d", nn.Dropout, [0.05, 0.1, 0.2, 0.3, 0.5]),
        ("v_net", nn.Dropout3d, [0.5, 0.5]),
        ("unet_3d", nn.Dropout, [0.3, 0.3]),
    ],
)
def test_dropout_is_where_the_papers_have_it(name, kind, rates):
    assert [m.p for m in build_network(name, 1, 2).modules() if isinstance(m, kind) and m.p] == rates


@pytest.mark.parametrize(("name", "size"), PAPERS)
def test_output_is_composed_of_encoder_decoder_and_head(name, size):
    network, images = build_network(name, 1, 2).eval(), torch.randn(1, 1, *size)
    with torch.no_grad():
        output = network(images)
        maps = network.encoder(images)
        stages = network.decoder(maps)
        assert torch.equal(network.head(stages[-1]), output.logits)
    assert torch.equal(maps[-1], output.bottleneck)
    assert torch.equal(stages[-2], output.decoder_half)
    assert torch.equal(stages[-1], output.decoder_full)
    assert [m.shape[1:] for m in maps] == [(w, *(s >> i for s in size)) for i, w in enumerate(WIDTHS)]
    assert [m.shape[1:] for m in stages] == [(WIDTHS[i], *(s >> i for s in size)) for i in (3, 2, 1, 0)]


@pytest.mark.parametrize(("name", "size"), PAPERS)
def test_dropout_is_off_in_evaluation_only(name, size):
    network, images = build_network(name, 1, 2), torch.randn(1, 1, *size)
    with torch.no_grad():
        assert not torch.equal(network(images).logits, network(images).logits)
        network.eval()
        assert torch.equal(network(images).logits, network(images).logits)


@pytest.mark.parametrize(("name", "size", "classes"), [("unet_2d", (32, 32), 4), ("v_net", (16, 16, 32), 2)])
def test_network_overfits_one_batch(name, size, classes):
    torch.manual_seed(0)
    network = build_network(name, 1, classes)
    labels = (torch.arange(32) * classes // 32).expand(2, *size)
    images = (labels - 1.0).unsqueeze(1) + 0.3 * torch.randn(2, 1, *size)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    course = []
    for _ in range(15):
        loss = supervised_loss(network(images).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    assert course[-1] < 0.7 * course[0]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_folded_unet_computes_nothing_at_full_resolution_but_its_classifier(dimensions):
    network = build_network(f"folded_unet_{dimensions}d", 1, 3)
    sizes = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            module.register_forward_hook(lambda _, inputs, output, name=name: sizes.update({name: output.shape[-1]}))
    network(torch.randn(2, 1, *[32] * dimensions))
    assert [name for name, size in sizes.items() if size == 32] == ["head"]
    assert max(size for name, size in sizes.items() if name != "head") == 16


@pytest.mark.parametrize("dimensions", [2, 3])
def test_background_does_not_drive_the_unfolded_channels_to_the_flat_part_of_the_activation(dimensions):
    unfold = build_network(f"folded_unet_{dimensions}d", 1, 3).decoder.unfold
    features = torch.randn(4, 32, *[4] * dimensions)
    unfolded = unfold(features)
    assert 0.3 < (unfolded > 0).float().mean() < 0.7
    # Whatever all places have in common is taken away.
    assert torch.allclose(unfold(features + torch.randn(32, *[1] * dimensions)), unfolded, atol=1e-4)


def test_folding_loses_no_voxel():
    images = torch.randn(2, 1, 8, 6, 4)
    folded = build_network("folded_unet_3d", 1, 2).encoder.stages[0][0](images)
    assert folded.shape == (2, 8, 4, 3, 2)
    assert torch.equal(folded.flatten().sort().values, images.flatten().sort().values)
    assert torch.equal(folded[:, 0], images[:, 0, ::2, ::2, ::2])
