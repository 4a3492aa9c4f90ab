"""What every method has to fulfil: a method's test file derives a class from `MethodChecks` for each of its forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import Loss, Losses, Method, TrainingStep
from SemiSupervisedSegLib.engine.networks.base import SegmentationNetwork
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from ..training.toy_loop import assert_resumes_anywhere
from .toys import MIDDLE, SIZES, batch_of, classifier, toy_batch, toy_labels, toy_method, weighted_sum

PARTS = ("encoder", "decoder to half resolution", "last decoder stage", "head")
EVERYTHING = set(PARTS)
ENCODER = {"encoder"}
TO_HALF = {"encoder", "decoder to half resolution"}
BEFORE_HEAD = {*TO_HALF, "last decoder stage"}
NOTHING: set[str] = set()
OVERFIT_STEPS = 20
# Ramps and decays are at work within few steps; the larger rate makes each of them matter.
RESUME_SETTINGS = {"learning_rate": 0.05, "consistency_weight": 1.0}


class MethodChecks:
    """The checks of a method; a new method needs a class of its own below this one and no entry in a list.

    Attributes:
        method: Id in the catalogue.
        variants: Settings of each variant under test by its name; the first one is overfitted.
        trained: Parts of the student that each loss trains, in any stage.
        stages: Names of the stages in order.
        overfit_share: Share of the first loss that may be left at the end of a stage.
    """

    method: ClassVar[str]
    variants: ClassVar[dict[str, dict[str, Any]]]
    trained: ClassVar[dict[str, set[str]]]
    stages: ClassVar[tuple[str, ...]] = ("train",)
    overfit_share: ClassVar[float] = 0.4

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a check for every variant, and with a teacher that sees nothing where there is a teacher."""
        if "variant" in metafunc.fixturenames:
            metafunc.parametrize("variant", list(self.variants))
        if "blind_teacher" in metafunc.fixturenames:
            has_teacher = hasattr(self.build(next(iter(self.variants))), "teacher")
            metafunc.parametrize("blind_teacher", [False, True] if has_teacher else [False])

    def build(self, variant: str, dimensions: int = 2, classes: int = 2, **settings: Any) -> Method:
        """Build a variant on a toy network, in train mode."""
        return toy_method(self.method, dimensions, classes, **{**self.variants[variant], **settings})

    def settings_of_method(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return those of the settings that the method has."""
        names = {setting.name for setting in load_catalogue().method(self.method).settings}
        return {name: value for name, value in settings.items() if name in names}

    def batch(self, labels: Tensor) -> Batch:
        """Return a batch whose labeled images have these labels."""
        return batch_of(labels)

    @pytest.mark.parametrize(("dimensions", "classes"), [(2, 4), (3, 2)])
    def test_each_loss_trains_the_parts_it_should(self, variant: str, dimensions: int, classes: int) -> None:
        method = self.build(variant, dimensions, classes)
        batch = self.batch(toy_labels(2, SIZES[dimensions], classes))
        assert_routing(method, batch, self.trained)

    def test_the_student_is_trained_and_the_teacher_is_not(self, variant: str) -> None:
        method = self.build(variant)
        modules = [objective.module for objective in method.objectives()]
        trainable = {id(p) for module in modules for p in module.parameters() if p.requires_grad}
        assert trainable == {id(p) for name, p in method.named_parameters() if not name.startswith("teacher")}
        assert trainable >= {id(p) for p in method.student.parameters()}

    def test_the_stages_are_those_of_the_paper(self, variant: str) -> None:
        stages = self.build(variant).stages()
        assert tuple(stage.name for stage in stages) == self.stages
        assert sum(stage.share for stage in stages) == pytest.approx(1.0)

    @pytest.mark.parametrize("scenario", ["no foreground", "one voxel", "only the last class", "one image lacks it"])
    @pytest.mark.parametrize(("dimensions", "classes"), [(2, 2), (3, 4)])
    def test_what_lacks_classes_is_survived(
        self, variant: str, dimensions: int, classes: int, scenario: str, blind_teacher: bool
    ) -> None:
        method = self.build(variant, dimensions, classes)
        batch = self.batch(degenerate_labels(scenario, dimensions, classes))
        for training_step in in_each_stage(method, batch):
            if blind_teacher:
                see_only_background(method.teacher.network)
            assert_finite(method, method.losses(batch, training_step))

    def test_images_of_nothing_but_zeros_are_survived(self, variant: str) -> None:
        method, batch = self.build(variant), self.batch(torch.zeros(2, *SIZES[2], dtype=torch.long))
        batch = Batch(*map(blank, (batch.labeled, batch.unlabeled, batch.external)))
        for training_step in in_each_stage(method, batch):
            assert_finite(method, method.losses(batch, training_step))

    def test_a_resumed_training_is_the_same_bit_by_bit(self, variant: str, tmp_path: Path) -> None:
        assert_resumes_anywhere(
            lambda steps: self.build(variant, **self.settings_of_method({"steps": steps, **RESUME_SETTINGS})),
            tmp_path,
            lambda: self.batch(toy_labels(2, SIZES[2], 2)),
        )

    def test_one_batch_is_learned_by_heart(self) -> None:
        """Flat images; engine/worker/test_every_method_*.py trains all numbers of dimensions and classes.

        The unlabeled images count in full from the second step on.
        """
        ramp = {"ramp_steps": 1, "ramp_unit": "iteration", "consistency_weight": 0.1}
        method = self.build(next(iter(self.variants)), 2, 4, **self.settings_of_method(ramp))
        batch = self.batch(toy_labels(2, SIZES[2], 4))
        courses = {}
        for stage in method.stages():
            method.start_stage(stage, lambda step: batch)
            courses[stage.name] = self.overfit(method, batch, stage.name)
        first_loss = courses[self.stages[0]][0]
        assert all(course[-1] < self.overfit_share * first_loss for course in courses.values()), courses

    def make_optimizer(self, method: Method) -> torch.optim.Optimizer:
        """Return an optimizer that learns one batch in few steps."""
        return torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)

    def overfit(self, method: Method, batch: Batch, stage: str) -> list[float]:
        """Train on one batch and return the first of the losses after each step."""
        course, optimizer = [], self.make_optimizer(method)
        for step in range(OVERFIT_STEPS):
            losses = method.losses(batch, TrainingStep(step, OVERFIT_STEPS, stage))
            optimizer.zero_grad()
            weighted_sum(losses).backward()
            optimizer.step()
            method.after_step(TrainingStep(step, OVERFIT_STEPS, stage))
            course.append(next(iter(losses.values())).value.item())
        return course


class TeacherStudentChecks(MethodChecks):
    """The checks of a method of the mean-teacher family."""

    def test_teacher_equals_student_after_the_first_step(self, variant: str) -> None:
        method, batch = self.build(variant), self.batch(toy_labels(2, SIZES[2], 2))
        step = TrainingStep(0, 100, self.stages[0])
        with torch.no_grad():
            for parameter in method.teacher.network.parameters():
                parameter.add_(1)
        optimizer = torch.optim.SGD(method.student.parameters(), lr=0.1)
        weighted_sum(method.losses(batch, step)).backward()
        optimizer.step()
        method.after_step(step)
        pairs = zip(method.teacher.network.parameters(), method.student.parameters(), strict=True)
        assert all(torch.equal(teacher, student) for teacher, student in pairs)


def blank(images: Labeled | Unlabeled | None) -> Labeled | Unlabeled | None:
    """Return the images of a stream with zeros in place of all intensities."""
    return images and replace(images, images=torch.zeros_like(images.images))


def in_each_stage(method: Method, batch: Batch) -> Iterator[TrainingStep]:
    """Start the stages of a method one after the other and yield a step in the middle of each."""
    for stage in method.stages():
        method.start_stage(stage, lambda step: batch)
        yield TrainingStep(500, 1000, stage.name)


def assert_routing(method: Method, batch: Batch, expected: dict[str, set[str]]) -> None:
    """Each loss trains the expected parts of the student, and nothing trains the teacher."""
    named = set()
    for training_step in in_each_stage(method, batch):
        make_confident(method)
        spread_predictions(method, batch.unlabeled.images)
        losses = method.losses(batch, training_step)
        trained = {name: trained_parts(method, loss.value) for name, loss in losses.items()}
        assert trained == {name: expected[name] for name in losses}, training_step.stage
        named |= set(losses)
    assert named == set(expected)
    if hasattr(method, "teacher"):
        assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())


def make_confident(method: Method) -> None:
    """Make the teacher confident enough for pseudo labels, and different from the student."""
    if hasattr(method, "teacher"):
        with torch.no_grad():
            classifier(method.teacher.network).weight.mul_(6)


def spread_predictions(method: Method, images: Tensor) -> None:
    """Move the teacher's logits to a mean of 0, so that it sees all classes."""
    if hasattr(method, "teacher"):
        logits = method.teacher(images).logits
        with torch.no_grad():
            classifier(method.teacher.network).bias.sub_(logits.transpose(0, 1).flatten(1).mean(dim=1))


def trained_parts(method: Method, loss: Tensor) -> set[str]:
    """Return the parts that a loss gives a gradient; in those, every convolution gets some."""
    method.zero_grad()
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    trained = set()
    for part, parameters in parts_of(method.student).items():
        kernels = [p for p in parameters if p.dim() > 1]
        reached = [p.grad is not None and p.grad.abs().max().item() > 0 for p in kernels]
        assert all(reached) or not any(p.grad is not None and p.grad.abs().max() > 0 for p in parameters), part
        trained |= {part} if all(reached) else set()
    return trained


def parts_of(network: SegmentationNetwork) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each part of a network."""
    decoder = network.decoder
    last = {id(p) for p in decoder.stages[-1].parameters()}
    return {
        "encoder": list(network.encoder.parameters()),
        "decoder to half resolution": [p for p in decoder.parameters() if id(p) not in last],
        "last decoder stage": [p for p in decoder.parameters() if id(p) in last],
        "head": list(network.head.parameters()),
    }


def degenerate_labels(scenario: str, dimensions: int, classes: int) -> Tensor:
    """Return labels (2, *spatial) that lack classes."""
    labels = toy_labels(2, SIZES[dimensions], classes)
    if scenario == "one image lacks it":
        labels[0] = labels[0].clamp(max=classes - 2)
        return labels
    labels = torch.full_like(labels, classes - 1 if scenario == "only the last class" else 0)
    if scenario == "one voxel":
        labels[1].view(-1)[37] = 1
    return labels


def see_only_background(network: nn.Module) -> None:
    """Make a network call everything background, with certainty."""
    with torch.no_grad():
        head = classifier(network)
        head.weight.zero_()
        head.bias.fill_(-20)
        head.bias[0] = 20


def gradients(method: Method, loss: Tensor) -> list[Tensor]:
    """Return what a loss gives to the parameters of the student."""
    method.zero_grad()
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    return [p.grad for p in method.student.parameters() if p.grad is not None]


def assert_finite(method: Method, losses: Losses) -> None:
    """All losses are finite scalars, and so are their gradients."""
    for name, loss in losses.items():
        assert torch.isfinite(loss.value), name
        assert loss.value.dim() == 0
    total = sum(loss.value for loss in losses.values())
    assert all(torch.isfinite(gradient).all() for gradient in gradients(method, total))


def assert_skipped(method: Method, loss: Loss) -> None:
    """A loss that has nothing to learn from is 0, and so are its gradients."""
    assert loss.value.item() == 0
    assert all(gradient.abs().max() == 0 for gradient in gradients(method, loss.value))


def assert_doubt_costs_nothing(method_id: str) -> None:
    """A method with pseudo-labels learns nothing from them where nobody is confident."""
    method, batch = toy_method(method_id, 2, 4, confidence=0.9999), toy_batch(2, 4)
    losses = method.losses(batch, MIDDLE)
    assert_skipped(method, losses["pseudo"])
    assert losses["confident_share"].value == 0
    assert_finite(method, losses)


def assert_learned_alone(
    method: Method, name: str, rate: float, training_step: TrainingStep, *, steps: int = 12, classes: int = 4
) -> None:
    """Training on a loss alone brings it down, against a teacher that stands still and differs from the student."""
    make_confident(method)
    batch = toy_batch(2, classes)
    optimizer = torch.optim.SGD(method.parameters(), lr=rate)
    course = []
    for _ in range(steps):
        loss = method.losses(batch, training_step)[name].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    assert course[-1] < 0.8 * course[0]
