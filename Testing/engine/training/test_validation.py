from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.training.validation import validation_dice
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.study.model import Role

from ...planning.plans import plan_2d


def test_a_structure_that_no_validation_case_shows_has_no_dice(tmp_path):
    labels = np.zeros((2, 32, 32), dtype=np.uint8)
    labels[:, 8:20, 8:20] = 1
    np.save(tmp_path / "image.npy", labels.astype(np.float32))
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "foreground.npy", np.zeros((0, 4), dtype=np.int32))
    case = CachedCase("v", "here", False, Role.VALIDATION, tmp_path, (2, 32, 32), True, 0.0, 1)
    network = build_network("unet_2d", 1, 3)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        dice = validation_dice(
            network,
            [case],
            plan_2d(),
            {"window_overlap": 0.0, "window_stride": "auto"},
            choose_device("cpu", "float32", 1),
        )
    # Where all classes are equally likely the first one wins: background, which misses the shown structure.
    assert dice == pytest.approx([0.0, np.nan], nan_ok=True)
