"""Small methods of families that the catalogue does not have yet, written as the contract's docstring sketches them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.losses.overlap import supervised_loss
from SemiSupervisedSegLib.engine.methods.method import (
    Loss,
    Losses,
    Method,
    MethodContext,
    Objective,
    Stage,
    TrainingStep,
)
from SemiSupervisedSegLib.jobs.catalogue import resolve

from ..methods.toys import CHANNELS, ToyDecoder, toy_network

CRITIC_OPTIMIZER = {"optimizer": "adam", "learning_rate": 1e-3, "learning_rate_schedule": "constant"}


def build(family: type[Method], **settings: object) -> Method:
    """Build a method of a family on a toy network, in train mode."""
    values = resolve("supervised", "standard", settings, 2)
    return family(MethodContext(lambda: toy_network(2, 2), 2, 2, values)).train()


class TwoStages(Method):
    """Pre-training; then class means over some batches, a fresh head, and features that are pulled to their means."""

    means: Tensor
    selftraining: Tensor

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        # What a later stage knows must be in the state, or a resumed training would not have it.
        self.register_buffer("means", torch.zeros(2, CHANNELS[0]))
        self.register_buffer("selftraining", torch.tensor(False))

    def stages(self) -> tuple[Stage, ...]:
        return Stage("pretrain", "Pre-training", 0.4), Stage("selftrain", "Self-training", 0.6)

    @torch.no_grad()
    def start_stage(self, stage: Stage, draw: Callable[[int], Batch]) -> None:
        if stage.name != "selftrain":
            return
        self.selftraining.fill_(True)
        for batch in map(draw, range(3)):
            features = self.student(batch.labeled.images).decoder_full.movedim(1, -1)
            for label in range(2):
                self.means[label] += features[batch.labeled.labels == label].mean(dim=0) / 3
        nn.init.normal_(self.student.head.weight)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        output = self.student(batch.labeled.images)
        losses = {"supervised": Loss(supervised_loss(output.logits, batch.labeled.labels))}
        if self.selftraining:
            target = self.means[batch.labeled.labels].movedim(-1, 1)
            losses["compact"] = Loss(functional.mse_loss(output.decoder_full, target), 0.1)
        return losses


class Adversarial(Method):
    """A segmenter, and a critic with an optimizer of its own that tells labeled from unlabeled predictions."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.critic = nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2), nn.LeakyReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 1)
        )

    def objectives(self) -> tuple[Objective, ...]:
        segmenter = Objective("segmentation", self.losses, self.student)
        return segmenter, Objective("critic", self.critic_losses, self.critic, CRITIC_OPTIMIZER)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        labeled, unlabeled = (self.student(images).logits for images in (batch.labeled.images, batch.unlabeled.images))
        self._maps = labeled.detach().softmax(dim=1), unlabeled.detach().softmax(dim=1)
        fooled = functional.softplus(-self.critic(unlabeled.softmax(dim=1))).mean()
        return {
            "supervised": Loss(supervised_loss(labeled, batch.labeled.labels)),
            "adversarial": Loss(fooled, 0.1),
        }

    def critic_losses(self, batch: Batch, step: TrainingStep) -> Losses:
        labeled, unlabeled = map(self.critic, self._maps)
        return {"critic": Loss(functional.softplus(-labeled).mean() + functional.softplus(unlabeled).mean())}


class TwoStudents(Method):
    """Two students that learn from each other's results."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.second = context.build_network()

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        first, second = self.student(batch.labeled.images).logits, self.second(batch.labeled.images).logits
        labels = batch.labeled.labels
        cross = functional.cross_entropy(first, second.argmax(1)) + functional.cross_entropy(second, first.argmax(1))
        both = supervised_loss(first, labels) + supervised_loss(second, labels)
        return {"supervised": Loss(both), "cross": Loss(cross, 0.1)}


class ExtraDecoder(Method):
    """Decoders that share an encoder and shall agree."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.decoders = nn.ModuleList([self.student.decoder, ToyDecoder(2)])

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        skips = self.student.encoder(batch.labeled.images)
        outputs = [self.student.head(decoder(skips)[-1]) for decoder in self.decoders]
        labels = batch.labeled.labels
        return {
            "supervised": Loss(sum(supervised_loss(logits, labels) for logits in outputs)),
            "agreement": Loss(functional.mse_loss(outputs[0], outputs[1])),
        }
