from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from SemiSupervisedSegLib.engine.networks.output import NetworkOutput
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality, Structure

torch.set_num_threads(1)


class ConstantNetwork(nn.Module):
    """Answers every voxel with the same logits and counts its calls and the mode it was called in."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor(logits)
        self.modes: list[bool] = []
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> NetworkOutput:
        self.modes.append(self.training)
        self.shapes.append(tuple(images.shape))
        spatial = images.shape[2:]
        shape = (1, -1, *[1] * len(spatial))
        logits = self.values.view(shape).expand(len(images), -1, *spatial).clone()
        return NetworkOutput(logits, images, images, images)


class IntensityNetwork(nn.Module):
    """Features are functions of the voxel's intensity, at full and at half resolution."""

    def forward(self, images: Tensor) -> NetworkOutput:
        full = torch.cat([images, 1 - images, images.square()], dim=1)
        pool = nn.functional.avg_pool2d if images.ndim == 4 else nn.functional.avg_pool3d
        half = pool(full, 2)
        logits = torch.cat([1 - images, images], dim=1)
        return NetworkOutput(logits, pool(half, 2), half, full)


def make_plan(patch: tuple[int, ...], num_classes: int = 2, network: str = "", spacing=(None, 1.0, 1.0)) -> Plan:
    dimensions = len(patch)
    if dimensions == 3 and spacing[0] is None:
        spacing = (1.0, *spacing[1:])
    name = network or ("unet_2d" if dimensions == 2 else "v_net")
    return Plan(dimensions, 0, spacing, patch, Normalization(Modality.MR), num_classes, NetworkSpec(name))


@pytest.fixture
def plan_of():
    return make_plan


@pytest.fixture
def constant_network():
    return ConstantNetwork


@pytest.fixture
def intensity_network():
    return IntensityNetwork()


@pytest.fixture
def structures() -> tuple[Structure, ...]:
    return (Structure("Left ventricle", 5, (200, 30, 30)), Structure("Myocardium", 2, (30, 200, 30)))
