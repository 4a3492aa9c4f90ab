"""The contract between a method and the training loop.

A method is a module that owns its networks and names its losses. It knows nothing of files, loops or devices. The loop
draws a batch and, for each *objective* of the method in turn, computes the weighted sum of its losses, back-propagates
and steps that objective's optimizer; then it calls :meth:`Method.after_step`. Docs/development.md shows each family.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...planning.networks import NetworkSpec
from ..data.batch import Batch
from ..networks.base import SegmentationNetwork
from ..networks.output import FeatureLevel, NetworkOutput
from .parts.deep_supervision import SupervisedLoss
from .parts.ramps import consistency_weight


@dataclass(frozen=True)
class TrainingStep:
    """The place of a step: ``index`` counts from 0 within the stage, ``total_steps`` is the stage's length."""

    index: int
    total_steps: int
    stage: str = "train"


@dataclass(frozen=True)
class Loss:
    """A scalar loss and its weight in the objective; weight 0 only logs it."""

    value: Tensor
    weight: float = 1.0


Losses = dict[str, Loss]


def total(values: Iterable[Tensor]) -> Tensor:
    """Return the sum of scalar losses, of which there is at least one."""
    return functools.reduce(torch.add, values)


@dataclass(frozen=True)
class Stage:
    """A part of training.

    Attributes:
        name: Name in events and losses.
        title: Name for the user.
        share: Share of all steps.
        batches: Number of batches that ``start_stage`` draws before the first step.
    """

    name: str
    title: str
    share: float
    batches: int = 0


@dataclass(frozen=True)
class Objective:
    """Losses that train one module with one optimizer.

    Attributes:
        name: Name in logs and checkpoints.
        losses: Function of a batch and a training step that returns the losses.
        module: Module whose trainable parameters the optimizer steps; those of a teacher are not trainable.
        optimizer: Settings that replace those of the round (optimizer, learning_rate, learning_rate_schedule, momentum,
            weight_decay), and `adam_betas`.
    """

    name: str
    losses: Callable[[Batch, TrainingStep], Losses]
    module: nn.Module
    optimizer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodContext:
    """What a method is built from.

    Attributes:
        build_network: Function that makes a network with fresh weights; ``upsampling=`` chooses how its decoder
            upsamples.
        num_classes: Number of classes, background included.
        dimensions: Spatial dimensions of the patches, 2 or 3.
        settings: Settings of the round, by their names in the catalogue.
        tasks: Class indices of the structures of each task; empty for a single task of all structures.
        unlabeled_tasks_known: Whether the study says of any unlabeled case which task it was taken for.
    """

    build_network: Callable[..., SegmentationNetwork]
    num_classes: int
    dimensions: int
    settings: Mapping[str, Any]
    tasks: tuple[tuple[int, ...], ...] = ()
    unlabeled_tasks_known: bool = False

    @property
    def follows_released_code(self) -> bool:
        """Whether the authors' code is followed where it differs from the paper."""
        return self.settings.get("fidelity") == "released_code"

    def build_supervised_loss(self, network: SegmentationNetwork) -> SupervisedLoss:
        """Return the loss on annotations of a network, with deep supervision where the method offers it and it is set.

        Args:
            network: Network whose outputs are compared.
        """
        deep = bool(self.settings.get("deep_supervision", False))
        return SupervisedLoss(network, self.num_classes, self.dimensions, deep)


class Method(nn.Module):
    """Base of all methods: one student that predicts, trained in one stage by one objective.

    Attributes:
        student: Network that predicts.
        supervised_loss: L_sup of an output of the student and class indices, with deep supervision by setting.
        settings: Settings of the round.
        num_classes: Number of classes, background included.
        prototype_level: Feature map of the prototypes with which the method trains.
        shared_anatomy: Whether images show all structures, also those that they are not annotated for; else a case is
            segmented for the structures that it is annotated or taken for.
        ramp_lead: Steps by which the ramp is ahead; 1 for released codes that count a step before they weight it.
    """

    prototype_level: ClassVar[FeatureLevel] = "decoder_full"
    shared_anatomy: bool = True
    ramp_lead: int = 0

    def __init__(self, context: MethodContext) -> None:
        super().__init__()
        self.settings = context.settings
        self.num_classes = context.num_classes
        self.student = context.build_network()
        self.supervised_loss = context.build_supervised_loss(self.student)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know about this method on this study, in sentences."""
        return ()

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of training in order."""
        return (Stage("train", "Training", 1.0),)

    def start_stage(self, stage: Stage, draw: Callable[[int], Batch]) -> None:
        """Prepare a stage; ``draw(step)`` gives training batches, for statistics over the data.

        A resumed training does not call this again for the stage it is in: what later steps need is stored in
        parameters or buffers, which are part of the checkpoint.
        """

    def objectives(self) -> tuple[Objective, ...]:
        """Return what each step optimises, in order."""
        return (Objective("segmentation", self.losses, self),)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the named losses of the segmentation objective."""
        raise TypeError(f"{type(self).__name__} names no losses.")

    def joint_pass(
        self, batch: Batch, network: Callable[[Tensor], NetworkOutput] | None = None
    ) -> tuple[NetworkOutput, NetworkOutput]:
        """Return the outputs for the labeled and for the unlabeled images, which go through a network in one pass.

        Args:
            batch: Batch with unlabeled images.
            network: Function from images (B, C_in, *spatial) to an output; None is the student.
        """
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        return (network or self.student)(images).split(len(batch.labeled.images))

    def consistency_weight(self, step: TrainingStep) -> float:
        """Return lambda(t), the weight of the losses on unlabeled images, of the settings of the group "ramp"."""
        return consistency_weight(step.index + self.ramp_lead, step.total_steps, self.settings)

    def prototype_features(self, output: NetworkOutput) -> Tensor:
        """Return the feature map (B, L, *spatial') at `prototype_level`."""
        return output.features(self.prototype_level)

    def after_step(self, step: TrainingStep) -> None:
        """Follow up an optimizer step, e.g. by averaging the teacher."""

    def network_spec(self, planned: NetworkSpec) -> NetworkSpec:
        """Return how the network that predicts is built, for a method that changes the one that was planned."""
        return planned

    def inference_network(self) -> SegmentationNetwork:
        """Return the network that predicts."""
        return self.student
