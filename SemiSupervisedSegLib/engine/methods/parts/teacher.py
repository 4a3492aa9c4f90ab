"""The mean-teacher family: the EMA teacher, the noise on its images, and the base of its methods.

A. Tarvainen and H. Valpola, NeurIPS 2017.
"""

from __future__ import annotations

import copy
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ...networks.averaging import average_into
from ...networks.base import SegmentationNetwork
from ...networks.output import NetworkOutput
from ..method import Method, MethodContext, TrainingStep


class MeanTeacher(nn.Module):
    """A copy of the student whose parameters are an exponential moving average of the student's.

    theta~ <- a theta~ + (1 - a) theta with a = min(1 - 1 / (t + 1), decay): a plain running mean at first,
    so that the teacher equals the student after step 0. Only parameters are averaged; the teacher stays in
    train mode while training and keeps batch-normalisation statistics of its own, as published codes do but for one.

    Args:
        student: Network of which the teacher begins as a copy.
        decay: Largest a.
        warm_up: Whether a starts as a running mean; BCP's teacher is pre-trained and does not.
        buffers: Whether batch-normalisation statistics are averaged, too (BCP on slices).

    Examples:
        >>> student = nn.Linear(1, 1, bias=False)
        >>> teacher = MeanTeacher(student, decay=0.9, warm_up=False)
        >>> _ = nn.init.zeros_(teacher.network.weight), nn.init.ones_(student.weight)
        >>> teacher.update(student, step=0)
        >>> teacher.network.weight
        Parameter containing:
        tensor([[0.1000]])
    """

    def __init__(self, student: nn.Module, decay: float, *, warm_up: bool = True, buffers: bool = False) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay
        self.warm_up = warm_up
        self.averages_buffers = buffers

    @torch.no_grad()
    def forward(self, images: Tensor) -> NetworkOutput:
        """Run the teacher without gradients on images (B, C_in, *spatial)."""
        return self.network(images)

    def update(self, student: nn.Module, step: int) -> None:
        """Average in the student's parameters after optimizer step ``step`` (from 0)."""
        decay = min(1 - 1 / (step + 1), self.decay) if self.warm_up else self.decay
        average_into(self.network, student, 1 - decay, buffers=self.averages_buffers)


def clipped_noise(images: Tensor, std: float, clip: float) -> Tensor:
    """Return images plus clip(N(0, std^2), -clip, clip), drawn for each voxel (CU2L section 2.4).

    Args:
        images: Normalised images (B, C_in, *spatial).
        std: Standard deviation of the noise before it is clipped, in units of the normalised intensity.
        clip: Largest absolute value of the noise.

    Examples:
        >>> noise = clipped_noise(torch.zeros(2, 1, 64, 64), std=0.1, clip=0.2)
        >>> noise.shape, noise.abs().max()
        (torch.Size([2, 1, 64, 64]), tensor(0.2000))
    """
    return images + torch.randn_like(images).mul_(std).clamp_(-clip, clip)


class TeacherStudent(Method):
    """A student with an EMA teacher, averaged after each step; the base of its family."""

    averages_buffers: ClassVar[bool] = False
    """Whether the teacher's batch-normalisation statistics are averaged, too."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.teacher = MeanTeacher(self.student, context.settings["ema_decay"], buffers=self.averages_buffers)

    def noisy(self, images: Tensor) -> Tensor:
        """Return images (B, C_in, *spatial) with a fresh draw of the method's clipped Gaussian noise xi."""
        return clipped_noise(images, self.settings["noise_std"], self.settings["noise_clip"])

    def after_step(self, step: TrainingStep) -> None:
        """Average the student into the teacher."""
        self.teacher.update(self.student, step.index)

    def inference_network(self) -> SegmentationNetwork:
        """Return the student, as the papers do, or the teacher by setting."""
        teacher = cast(SegmentationNetwork, self.teacher.network)
        return teacher if self.settings["inference_network"] == "teacher" else self.student
