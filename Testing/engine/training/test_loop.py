from __future__ import annotations

import copy

import pytest
import torch

from SemiSupervisedSegLib.engine.data.batch import Batch
from SemiSupervisedSegLib.engine.methods.method import Loss, Losses, Method, TrainingStep
from SemiSupervisedSegLib.study.errors import UserError

from ..methods.toys import toy_method, weighted_sum
from .families import CRITIC_OPTIMIZER, FAMILIES, Adversarial, TwoStages, build
from .toy_loop import Run, draw


@pytest.fixture(autouse=True)
def same_numbers_every_time() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_stages_follow_each_other_and_share_the_steps() -> None:
    method = build(TwoStages, steps=25)
    run = Run(method)
    run.go()
    assert [(stage.name, length) for stage, length in run.stages] == [("pretrain", 10), ("selftrain", 15)]
    assert [(report.stage, report.step) for report in run.reports] == [
        ("pretrain", 10),
        ("selftrain", 20),
        ("selftrain", 25),
    ]
    assert run.steps == list(range(1, 26))
    assert method.means.abs().sum() > 0
    assert "compact" not in run.reports[0].losses
    assert run.reports[1].losses["compact"] > 0


def test_each_stage_has_a_schedule_and_an_optimizer_of_its_own() -> None:
    run = Run(build(TwoStages, steps=25, learning_rate=0.1))
    run.go()
    rates = [report.learning_rate for report in run.reports]
    assert rates == pytest.approx([0.1 * 0.1**0.9, 0.1 * (6 / 15) ** 0.9, 0.1 * (1 / 15) ** 0.9])


def test_an_objective_of_its_own_trains_as_written_out_by_hand() -> None:
    method = build(Adversarial, steps=4, learning_rate=0.02)
    by_hand = copy.deepcopy(method)
    Run(method).go()
    student, critic = list(by_hand.student.parameters()), list(by_hand.critic.parameters())
    sgd = torch.optim.SGD(student, lr=0.02, momentum=0.9, weight_decay=1e-4)
    adam = torch.optim.Adam(critic, lr=CRITIC_OPTIMIZER["learning_rate"], weight_decay=1e-4)
    for step in range(4):
        sgd.param_groups[0]["lr"] = 0.02 * (1 - step / 4) ** 0.9
        batch, training_step = draw(step), TrainingStep(step, 4)
        descend(sgd, student, weighted_sum(by_hand.losses(batch, training_step)))
        descend(adam, critic, weighted_sum(by_hand.critic_losses(batch, training_step)))
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(method.state_dict()[name], value, rtol=1e-5, atol=1e-6, msg=name)


def descend(optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor], loss: torch.Tensor) -> None:
    """Step with the gradients of these parameters alone, whatever else the loss reaches."""
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


def test_adamw_with_a_cosine_and_clipped_gradients_trains_as_written_out_by_hand() -> None:
    settings = {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 0.1, "gradient_clipping": 0.05}
    method = toy_method("supervised", steps=3, learning_rate_schedule="cosine", **settings)
    by_hand = copy.deepcopy(method)
    Run(method).go()
    parameters, norms = list(by_hand.parameters()), []
    adamw = torch.optim.AdamW(parameters, weight_decay=0.1, fused=False, foreach=False)
    for step, share in enumerate((1.0, 1.0, 0.5)):
        adamw.param_groups[0]["lr"] = 0.002 * share
        adamw.zero_grad()
        weighted_sum(by_hand.losses(draw(step), TrainingStep(step, 3))).backward()
        norms.append(torch.cat([parameter.grad.flatten() for parameter in parameters]).norm())
        for parameter in parameters:
            parameter.grad *= min(1.0, 0.05 / norms[-1])
        adamw.step()
    assert min(norms) > 0.05, "something was clipped"
    # Biases in front of a normalisation have no gradient but rounding, of which AdamW makes a whole step.
    kernels = {name: value for name, value in by_hand.state_dict().items() if value.dim() == 4}
    for name, value in kernels.items():
        torch.testing.assert_close(method.state_dict()[name], value, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("family", ["TwoStudents", "ExtraDecoder"])
def test_everything_that_a_method_owns_is_trained(family: str) -> None:
    method = build(FAMILIES[family], steps=1)
    before = copy.deepcopy(method)
    Run(method).go()
    for (name, old), new in zip(before.named_parameters(), method.parameters(), strict=True):
        assert not torch.equal(old, new), f"{name} was not trained"


def test_a_teacher_is_averaged_and_never_stepped() -> None:
    method = toy_method("mean_teacher", steps=1)
    Run(method).go()
    for ours, theirs in zip(method.teacher.parameters(), method.student.parameters(), strict=True):
        assert torch.equal(ours, theirs), "after the first step the teacher is the student"


class Diverging(Method):
    """Its second loss, which has no weight, is no number from the fourth step on."""

    def losses(self, batch: Batch, training_step: TrainingStep) -> Losses:
        value = self.student(batch.labeled.images).logits.mean()
        return {"mean": Loss(value), "watched": Loss(value / (0.0 if training_step.index >= 3 else 1.0), 0.0)}


def test_a_diverged_training_ends_in_a_sentence_that_names_the_loss() -> None:
    run = Run(build(Diverging, steps=100))
    with pytest.raises(UserError, match=r'diverged: the loss "watched" .*Lower "learning_rate"'):
        run.go()
    assert run.loop.step == 10, "told when the losses are fetched"


def test_weights_that_are_not_finite_are_never_saved() -> None:
    run = Run(build(Diverging, steps=2))
    with torch.no_grad():
        next(run.loop.method.parameters()).view(-1)[0] = torch.nan
    with pytest.raises(UserError, match="diverged: a weight of the network"):
        run.state()
