from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.dropout import Dropout
from SemiSupervisedSegLib.engine.networks.unet2d import UpStage

torch.set_num_threads(1)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_drops_the_share_it_should_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(1)
    ones = torch.ones(5, 3, 257, 61).to(memory_format=torch.channels_last)
    result = Dropout(p)(ones)
    share = (result == 0).double().mean().item()
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / ones.numel()) ** 0.5 + 1 / 65536)
    kept = result[result != 0]
    assert torch.all(kept == kept[0])
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=2 / 65536)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(2)
    dropped = (Dropout(0.5)(torch.ones(2**20)) == 0).double()
    # Four elements share one draw of 64 bits.
    for lag in (1, 2, 3, 4):
        both = (dropped[:-lag] * dropped[lag:]).mean().item()
        assert both == pytest.approx(0.25, abs=0.003)


def test_the_seed_decides_the_mask() -> None:
    dropout, ones = Dropout(0.3), torch.ones(2, 4, 9, 7)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return dropout(ones)

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_gradients_pass_where_features_pass() -> None:
    torch.manual_seed(5)
    features = torch.randn(3, 4, 8, 8, requires_grad=True)
    result = Dropout(0.4)(features)
    result.sum().backward()
    torch.testing.assert_close(features.grad * features.detach(), result.detach())


def test_does_nothing_in_evaluation_and_without_a_share() -> None:
    features = torch.randn(2, 3, 4)
    assert Dropout(0.5).eval()(features) is features
    assert Dropout(0.0)(features) is features
    assert torch.all(Dropout(1.0)(features) == 0)


def test_an_up_stage_convolves_the_concatenation_of_skip_and_coarse() -> None:
    torch.manual_seed(6)
    stage = UpStage(8, 4, "linear").double().eval()
    skip, coarse = torch.randn(2, 4, 16, 16).double(), torch.randn(2, 8, 8, 8).double()
    expected = stage.block(torch.cat([skip, stage.upsample(stage.reduce(coarse))], dim=1))
    torch.testing.assert_close(stage(coarse, skip), expected)
