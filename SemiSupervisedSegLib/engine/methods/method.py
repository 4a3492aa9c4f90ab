"""The contract between a method and the one training loop.

A method is a module that owns its networks and names its losses. It knows nothing of files, loops or
devices. The loop draws a batch, and for each *objective* of the method in turn computes the weighted sum of
its losses, back-propagates and steps that objective's optimizer; then it calls :meth:`Method.after_step`.

How each family fits:

One student (Supervised, EntMin)::

    def __init__(self, context):
        super().__init__(context)
        self.student = context.build_network()
    def losses(self, batch, step):
        return {"supervised": Loss(supervised_loss(self.student(batch.labeled.images).logits, ...))}

Student and EMA teacher (Mean Teacher, UA-MT, CPCL, CU2L)::

    self.teacher = MeanTeacher(self.student, context.settings["ema_decay"])
    def losses(self, batch, step):
        target = self.teacher(batch.unlabeled.images)
        ...
    def after_step(self, step):
        self.teacher.update(self.student, step.index)

Two students that teach each other (CPS, CauSSL): one objective trains both, for their losses add up::

    self.student, self.second = context.build_network(), context.build_network()
    def losses(self, batch, step):
        first, second = self.student(images).logits, self.second(images).logits
        return {"cross": Loss(cross_entropy(first, second.argmax(1)) + cross_entropy(second, first.argmax(1)))}
    def inference_network(self): return self.student

Extra decoders (MC-Net, CCT, URPC)::

    self.decoders = nn.ModuleList([self.student.decoder, StagedDecoder(...)])
    def losses(self, batch, step):
        skips = self.student.encoder(images)
        outputs = [self.student.head(decoder(skips)[-1]) for decoder in self.decoders]
        ...

A discriminator with an optimizer of its own (DAN, SASSNet, ASE-Net)::

    def objectives(self):
        segmenter = Objective("segmentation", self.losses, self.student)
        critic = Objective("discriminator", self.critic_losses, self.discriminator, {"optimizer": "adam", ...})
        return (segmenter, critic)
    # self.losses keeps the detached maps for self.critic_losses, which runs next in the same step

Several stages (AUA then PCL, BCP's pre-training)::

    def stages(self): return (Stage("pretrain", "Pre-training", 0.25), Stage("selftrain", "Self-training", 0.75))
    def start_stage(self, stage, draw):
        if stage.name == "selftrain":
            self.bank.collect(self.student, (draw(step) for step in range(3000)))
            reset_parameters(self.student)

Several tasks with a prompt (UniSeMi)::

    def __init__(self, context):
        ...                                     # build_network makes a PromptedNetwork for context.tasks
    def losses(self, batch, step):
        logits = self.student.decode(self.student.encode(batch.labeled.images), batch.labeled.tasks)
        ...
    # unprompted, as for predictions, the student answers for every task and merges the answers to one class map
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..data.batch import Batch
from ..networks.base import SegmentationNetwork
from ..networks.output import FeatureLevel, NetworkOutput
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
        name: in events and losses.
        title: for the user.
        share: of all steps.
        batches: that ``start_stage`` draws before the first step.
    """

    name: str
    title: str
    share: float
    batches: int = 0


@dataclass(frozen=True)
class Objective:
    """Losses that train one module with one optimizer.

    Attributes:
        name: in logs and checkpoints.
        losses: of a batch at a step.
        module: whose trainable parameters the optimizer steps; a teacher's are not trainable.
        optimizer: settings that differ from those of the job, by their names in the catalogue.
    """

    name: str
    losses: Callable[[Batch, TrainingStep], Losses]
    module: nn.Module
    optimizer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodContext:
    """What a method is built from.

    Attributes:
        build_network: makes fresh networks; ``upsampling=`` asks for a decoder that upsamples in another way.
        num_classes: background included.
        dimensions: 2 or 3.
        settings: of the catalogue.
        tasks: class indices of the structures of each task; empty for a single task of all structures.
        unlabeled_tasks_known: whether any unlabeled case says which task it was taken for.
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


class Method(nn.Module):
    """Base of all methods; see the module's docstring for how each family fills it in.

    Attributes:
        prototype_level: the feature map from which review prototypes are taken; without prototypes of its own a method
            takes the classifier's input, where classes are apart best (ACDC, Supervised: Dice 0.41 there, 0.23 at half
            resolution, 0.19 at the bottleneck).
        network_suffix: what the factory adds to the plan's network to build the one that predicts, for a method
            that changes the network.
    """

    prototype_level: ClassVar[FeatureLevel] = "decoder_full"
    network_suffix: ClassVar[str] = ""

    def __init__(self, context: MethodContext) -> None:
        super().__init__()
        self.settings = context.settings
        self.num_classes = context.num_classes
        self.student = context.build_network()

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know about this method on this study, in sentences."""
        return ()

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of training in order."""
        return (Stage("train", "Training", 1.0),)

    def start_stage(self, stage: Stage, draw: Callable[[int], Batch]) -> None:
        """Prepare a stage; ``draw(step)`` gives training batches, for statistics over the data.

        A resumed training does not call this again for the stage it is in: what later steps need is kept in
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
        """Return what the student, or another network, answers to the labeled and the unlabeled images, in one pass."""
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        return (network or self.student)(images).split(len(batch.labeled.images))

    def consistency_weight(self, step: TrainingStep) -> float:
        """Return lambda(t), the weight of the losses on unlabeled images, of the settings of the group "ramp"."""
        return consistency_weight(step.index, step.total_steps, self.settings)

    def prototype_features(self, output: NetworkOutput) -> Tensor:
        """Return the feature map (B, L, *spatial') at `prototype_level`."""
        return output.features(self.prototype_level)

    def after_step(self, step: TrainingStep) -> None:
        """Follow up an optimizer step, e.g. by averaging the teacher."""

    def inference_network(self) -> nn.Module:
        """Return the network that predicts."""
        return self.student
