"""The optimizer of each objective of a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..device import Device
from ..methods.method import Objective
from .schedules import learning_rate


class ObjectiveOptimizer:
    """Steps the parameters of one objective, with its own schedule and its own gradient scaler."""

    def __init__(self, objective: Objective, settings: Mapping[str, Any], device: Device) -> None:
        self.objective = objective
        self.settings = {**settings, **objective.optimizer}
        self._parameters = [parameter for parameter in objective.module.parameters() if parameter.requires_grad]
        self._optimizer = _build(self._parameters, self.settings)
        self._scaler = GradScaler(device.torch.type, enabled=device.needs_scaler)

    def set_learning_rate(self, step: int, total_steps: int) -> float:
        """Apply the schedule at a step (from 0) and return the learning rate."""
        rate = learning_rate(step, total_steps, self.settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def step(self, loss: Tensor) -> None:
        """Back-propagate a scalar loss, clip the norm of the gradient where set, and update the own parameters."""
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if self.settings["gradient_clipping"]:
            self._scaler.unscale_(self._optimizer)
            clip_grad_norm_(self._parameters, self.settings["gradient_clipping"], foreach=True)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed training needs."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; raises ValueError when it was another optimizer's."""
        current = [dict(group) for group in self._optimizer.param_groups]
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        if not (all(map(_same_values, current, self._optimizer.param_groups)) and _fits(self._optimizer)):
            raise ValueError("The state is of another optimizer.")


def _same_values(current: Mapping[str, Any], loaded: Mapping[str, Any]) -> bool:
    # The learning rate follows the schedule; parameters stay those of the network.
    return all(loaded[name] == value for name, value in current.items() if name not in ("params", "lr"))


def _fits(optimizer: Optimizer) -> bool:
    """Return whether every state that is more than a number has the shape of its parameter."""
    return all(
        isinstance(value, Tensor) and (value.ndim == 0 or value.shape == parameter.shape)
        for parameter, state in optimizer.state.items()
        for value in state.values()
    )


def _build(parameters: list[Parameter], settings: Mapping[str, Any]) -> Optimizer:
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] in ("adam", "adamw"):
        kind = Adam if settings["optimizer"] == "adam" else AdamW
        betas = settings.get("adam_betas", (0.9, 0.999))
        return kind(parameters, lr=rate, betas=betas, weight_decay=decay, fused=True)
    optimizer = SGD(parameters, lr=rate, momentum=settings["momentum"], weight_decay=decay, fused=True)
    if settings["momentum"]:
        # The fused kernel wants the momentum of all parameters or of none, and some get their first gradient late (the
        # heads of a class that the first batches lack). Beginning at zero is what SGD does.
        for parameter in parameters:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
