"""The EMA teacher of the mean-teacher family."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ...networks.output import NetworkOutput


class MeanTeacher(nn.Module):
    """A copy of the student whose parameters are an exponential moving average of the student's.

    theta~ <- a theta~ + (1 - a) theta with a = min(1 - 1 / (t + 1), decay): a plain running mean at first,
    so that the teacher equals the student after step 0. Only parameters are averaged; the teacher stays in
    train mode while training and keeps batch-normalisation statistics of its own, as all published codes do.
    """

    def __init__(self, student: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def forward(self, images: Tensor) -> NetworkOutput:
        """Run the teacher without gradients on images (B, C_in, *spatial)."""
        return self.network(images)

    @torch.no_grad()
    def update(self, student: nn.Module, step: int) -> None:
        """Average in the student's parameters after optimizer step ``step`` (from 0)."""
        decay = min(1 - 1 / (step + 1), self.decay)
        teacher_parameters, student_parameters = list(self.network.parameters()), list(student.parameters())
        if decay == 0:
            torch._foreach_copy_(teacher_parameters, student_parameters)
        else:
            torch._foreach_lerp_(teacher_parameters, student_parameters, 1 - decay)
