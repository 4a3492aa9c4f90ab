"""Images of several tasks in one network without prompts: each image answers for its own structures only.

As the universal forms of BCP and CauSSL that UniSeMi (2023) is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...networks.prompted import NO_CHANNEL
from ...tensors import append_axes, promote


class OwnTasks(nn.Module):
    """The channels that images of each task answer for: background and the structures of the task.

    An image whose task is not known answers for all.

    Args:
        tasks: Class indices of the structures of each task; none where all images have the same task.
        num_classes: Number of classes, background included.

    Examples:
        >>> tasks = OwnTasks([(1,), (2, 3)], num_classes=4)
        >>> tasks.channels(torch.tensor([1, 0, -1])).int()
        tensor([[1, 0, 1, 1],
                [1, 1, 0, 0],
                [1, 1, 1, 1]], dtype=torch.int32)
    """

    table: Tensor

    def __init__(self, tasks: Sequence[Sequence[int]], num_classes: int) -> None:
        super().__init__()
        table = torch.ones(len(tasks) + 1, num_classes, dtype=torch.bool)
        for row, task in zip(table, tasks, strict=False):
            row[1:] = False
            row[list(task)] = True
        self.register_buffer("table", table, persistent=False)

    def channels(self, tasks: Tensor) -> Tensor:
        """Return the own channels, bool (B, C), of images of tasks (B,); `UNKNOWN_TASK` is the last row."""
        return self.table[tasks]

    def forward(self, logits: Tensor, tasks: Tensor | None) -> Tensor:
        """Return logits (B, C, *spatial) with all channels but an image's own at probability 0.

        Args:
            logits: Logits (B, C, *spatial).
            tasks: Task (B,) of each image; None where there is one task only.
        """
        return logits if tasks is None else own_channels(logits, append_axes(self.channels(tasks), logits))


def own_channels(logits: Tensor, own: Tensor) -> Tensor:
    """Return logits (B, C, *spatial) with probability 0 where a mask is false.

    Args:
        logits: Logits (B, C, *spatial).
        own: Mask, bool, of the same number of axes.

    Examples:
        >>> own_channels(torch.zeros(1, 3, 1), torch.tensor([[[True], [False], [True]]])).softmax(dim=1).flatten()
        tensor([0.5000, 0.0000, 0.5000])
    """
    return promote(logits).masked_fill(~own, NO_CHANNEL)
