"""Uni-CauSSL: CauSSL for images of several tasks in one network, a baseline of UniSeMi (2023, table 6).

Each image is annotated for the structures of its task. Nothing more is published of it.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..data.batch import Batch
from .caussl import CausalityInspired
from .method import Method, MethodContext
from .parts.own_tasks import OwnTasks


class UniversalCausalityInspired(CausalityInspired):
    """The losses of CauSSL, in which each image answers for its task only.

    The other structures have probability 0, so that nothing is said of them; an unlabeled image whose task is not known
    answers for all structures.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.tasks = OwnTasks(context.tasks, context.num_classes)

    def network_logits(self, batch: Batch, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Return the logits (B, C, *spatial) of labeled and unlabeled images with the channels of their tasks."""
        labeled, unlabeled = super().network_logits(batch, network)
        return self.tasks(labeled, batch.labeled.tasks), self.tasks(unlabeled, batch.unlabeled.tasks)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return UniversalCausalityInspired(context)
