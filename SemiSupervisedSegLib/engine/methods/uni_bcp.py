"""Uni-BCP: BCP for images of several tasks in one network, a baseline of UniSeMi (2023, table 6).

Each image is annotated for the structures of its task. Nothing more is published of it; how mixtures answer is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..tensors import append_axes
from .bcp import BidirectionalCopyPaste, Tasks
from .method import Method, MethodContext
from .parts.masks import paste
from .parts.own_tasks import OwnTasks, own_channels


class UniversalCopyPaste(BidirectionalCopyPaste):
    """The losses of BCP, in which each part of a mixture answers for the task of its image only.

    Images of any tasks are pasted into each other. The other structures have probability 0 there, so that nothing is
    said of them; an unlabeled image whose task is not known answers for all structures.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.tasks = OwnTasks(context.tasks, context.num_classes)

    def mixture_logits(self, around: Tensor, inside: Tensor, keep: Tensor, tasks: Tasks) -> Tensor:
        """Return the student's logits (B, C, *spatial), each part with the channels of its image's task.

        Args:
            around: Images (B, C_in, *spatial) outside of the box.
            inside: Images inside of it.
            keep: Mask (*spatial), 0 in the box.
            tasks: Tasks (B,) of both, None where there is one task only.
        """
        logits = super().mixture_logits(around, inside, keep, tasks)
        outer, inner = (
            torch.ones_like(logits, dtype=torch.bool)
            if task is None
            else append_axes(self.tasks.channels(task), logits).expand_as(logits)
            for task in tasks
        )
        return own_channels(logits, paste(outer, inner, keep))

    def teacher_logits(self, images: Tensor, tasks: Tensor | None) -> Tensor:
        """Return the teacher's logits (B, C, *spatial) of unlabeled images with the channels of their tasks."""
        return self.tasks(super().teacher_logits(images, tasks), tasks)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return UniversalCopyPaste(context)
