"""The weights of an earlier model in the network of a new round, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...planning.plan import Plan
from ...planning.warm_start import match_structures
from ...study.errors import UserError
from ...study.model import Structure
from ..inference.bundle import TrainedModel
from ..networks.factory import build_planned_network


def start_from_model(student: nn.Module, model: TrainedModel, structures: Sequence[Structure]) -> None:
    """Load the weights of a model into the network of a round.

    Outputs of structures that the model does not have keep their random weights. A network that segments task by task
    has no output of its own for each structure; its last layers are taken over for the same structures only.

    Args:
        student: Network of the round, with random weights.
        model: Earlier model.
        structures: Structures of the round in the order of its class indices.

    Raises:
        UserError: The network of the model is another one.
    """
    match = match_structures(model.structures, structures)
    weights, own = model.network.state_dict(), student.state_dict()
    if not match.is_same:
        by_class = _tensors_by_class(model.plan)
        for name in set(weights) & set(own):
            if name in by_class:
                weights[name] = _reordered(weights[name], own[name], match.sources)
            elif model.plan.network.tasks and name.startswith("head."):
                weights[name] = own[name]
    try:
        student.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"The earlier model is a {model.plan.network}, which this round does not train.",
            "Choose the same network and dimension, or start from scratch.",
        ) from error


def _tensors_by_class(plan: Plan) -> set[str]:
    """Return the names of the tensors of a network whose first axis is that of the classes."""
    counts = plan.num_classes + 1, plan.num_classes + 2
    more, most = (build_planned_network(replace(plan, num_classes=count)).state_dict() for count in counts)
    return {name for name, tensor in more.items() if tensor.ndim and (len(tensor), len(most[name])) == counts}


def _reordered(rows: Tensor, own: Tensor, sources: Sequence[int | None]) -> Tensor:
    """Return a round's tensor (C, ...) with the rows of the earlier model's (C', ...) in place of those it has."""
    if rows.shape[1:] != own.shape[1:]:
        return rows
    taken = [index for index, source in enumerate(sources) if source is not None]
    result = own.clone()
    result[taken] = rows[torch.tensor([sources[index] for index in taken], device=rows.device)]
    return result
