from __future__ import annotations

import copy

import pytest
import torch

from SemiSupervisedSegLib.engine.losses.overlap import supervised_loss, voxelwise_dice_loss
from SemiSupervisedSegLib.engine.methods.parts.deep_supervision import SupervisedLoss
from SemiSupervisedSegLib.engine.networks.factory import BUILDERS, build_network
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from ...training.toy_loop import Run
from ..toys import toy_batch, toy_method

CATALOGUE = load_catalogue()
OFFERED = [
    name
    for name, entry in CATALOGUE.methods.items()
    if "deep_supervision" in {setting.name for setting in entry.settings}
]


def labels_of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(3, shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("loss", [supervised_loss, voxelwise_dice_loss])
def test_every_second_and_fourth_voxel_supervises_the_coarser_maps(name: str, loss) -> None:
    torch.manual_seed(0)
    network = build_network(name, 1, 3).eval()
    shape = (1, 32, 48) if name.endswith("2d") else (1, 16, 16, 32)
    output, labels = network(torch.randn(1, *shape)), labels_of(shape)
    deep = SupervisedLoss(network, 3, dimensions=len(shape) - 1, deep=True)
    expected = loss(output.logits, labels)
    for head, maps, step in zip(deep.heads, (output.decoder_half, output.decoder_quarter), (2, 4), strict=True):
        kernel = head.weight.flatten(1)
        logits = torch.einsum("cl,bl...->bc...", kernel, maps) + head.bias.view(1, -1, *(1,) * (len(shape) - 1))
        coarse = labels[(slice(None), *(slice(None, None, step),) * (len(shape) - 1))]
        assert logits.shape[2:] == coarse.shape[1:]
        expected = expected + loss(logits, coarse) / step
    torch.testing.assert_close(deep(output, labels, loss), expected / 1.75)


def test_without_it_the_loss_is_that_of_the_logits_to_the_last_digit() -> None:
    network = build_network("unet_2d", 1, 3)
    output, labels = network(torch.randn(2, 1, 32, 32)), labels_of((2, 32, 32))
    plain = SupervisedLoss(network, 3, dimensions=2, deep=False)
    assert torch.equal(plain(output, labels), supervised_loss(output.logits, labels))
    assert not plain.state_dict()


@pytest.mark.parametrize("method_id", OFFERED)
def test_the_coarser_maps_are_trained_and_the_network_that_predicts_stays_as_it_is_built(method_id: str) -> None:
    torch.manual_seed(0)
    method = toy_method(method_id, steps=1, deep_supervision=True)
    plain = toy_method(method_id, steps=1)
    before = copy.deepcopy(method.state_dict())
    Run(method).go()
    heads = [name for name in before if "supervised_loss.heads" in name]
    assert len(heads) == (4 if method_id == "cps" else 2)
    assert not any(torch.equal(before[name], method.state_dict()[name]) for name in heads)
    assert set(method.inference_network().state_dict()) == set(plain.inference_network().state_dict())
    assert set(before) - set(heads) == set(plain.state_dict())


def test_the_decoder_learns_from_the_coarser_maps() -> None:
    method = toy_method("supervised", classes=3, deep_supervision=True)
    batch = toy_batch(classes=3)
    output = method.student(batch.labeled.images)
    coarse_alone = output._replace(logits=output.logits.detach())
    loss = method.supervised_loss(coarse_alone, batch.labeled.labels)
    assert torch.autograd.grad(loss, output.decoder_half)[0].abs().sum() > 0
