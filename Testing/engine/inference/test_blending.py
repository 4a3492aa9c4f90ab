"""An image that is too large for a graphics card of 4 GB is put together in main memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.inference import sliding_window
from SemiSupervisedSegLib.engine.inference.blending import blending_device
from SemiSupervisedSegLib.engine.inference.sliding_window import predict_grid
from SemiSupervisedSegLib.study import memory
from SemiSupervisedSegLib.study.errors import UserError

LARGE, USUAL = 512 * 512 * 500, 256 * 256 * 60
CARD, PROCESSOR = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A card of 4 GB in a computer with 16 GB."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3_000_000_000, 4_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700_000_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100_000_000)
    monkeypatch.setattr(memory, "main_memory", lambda: (14_000_000_000, 16_000_000_000))
    return monkeypatch


def test_only_what_fits_is_put_together_on_the_card(small_card: pytest.MonkeyPatch) -> None:
    assert blending_device(CARD, USUAL, num_classes=3) == CARD
    assert blending_device(CARD, LARGE, num_classes=3) == PROCESSOR
    # Memory that PyTorch keeps for later tensors counts as free.
    just_fits = int(0.5 * 3_600_000_000 / (4 * (3 * 3 + 13)))
    assert blending_device(CARD, just_fits, num_classes=3) == CARD
    assert blending_device(CARD, just_fits + 1, num_classes=3) == PROCESSOR


def test_an_image_that_no_memory_holds_is_refused_with_both_figures(small_card: pytest.MonkeyPatch) -> None:
    small_card.setattr(memory, "main_memory", lambda: (6_000_000_000, 8_000_000_000))
    for device in (CARD, PROCESSOR):
        with pytest.raises(UserError, match=r"131,072,000 voxels needs 11\.5 GB of memory, .* 6\.0 GB free\. Close"):
            blending_device(device, LARGE, num_classes=3)


def test_windows_go_to_the_card_and_their_results_come_back(monkeypatch, constant_network, plan_of) -> None:
    def put_together(inputs: torch.Tensor, **options: object) -> torch.Tensor:
        assert (inputs.device, options["sw_device"], options["device"]) == (PROCESSOR, CARD, PROCESSOR)
        return torch.zeros(1, 2, *inputs.shape[2:])

    monkeypatch.setattr(sliding_window, "blending_device", lambda device, voxels, num_classes: PROCESSOR)
    monkeypatch.setattr(sliding_window, "sliding_window_inference", put_together)
    image = np.zeros((16, 16, 16), np.float32)
    assert predict_grid(constant_network([0.0, 1.0]), image, plan_of((16, 16, 16)), device=CARD).final.shape[0] == 2
