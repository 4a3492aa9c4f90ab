"""Every method learns one batch by heart, and every loss alone can be brought down by training."""

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .toys import toy_batch, toy_method, weighted_sum

STEPS = 20


# The other two pairs are trained through the worker (engine/worker/test_every_method_*.py).
@pytest.mark.parametrize(("dimensions", "classes"), [(2, 4), (3, 2)])
@pytest.mark.parametrize(
    "variant",
    ["supervised", "mean_teacher", "cpcl", "cpcl_released", "cu2l", "ua_mt", "cps", "dan", "mc_net", "ss_net"],
)
def test_method_overfits_one_batch(variant, dimensions, classes):
    """With the unlabeled images counting in full from the second step on."""
    ramp = {"ramp_steps": 1, "ramp_unit": "iteration", "consistency_weight": 0.1}
    method, batch = toy_method(variant, dimensions, classes, **ramp), toy_batch(dimensions, classes)
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
    supervised = []
    for step in range(STEPS):
        losses = method.losses(batch, TrainingStep(step, STEPS))
        optimizer.zero_grad()
        weighted_sum(losses).backward()
        optimizer.step()
        method.after_step(TrainingStep(step, STEPS))
        supervised.append(losses["supervised"].value.item())
    assert supervised[-1] < 0.4 * supervised[0]


@pytest.mark.parametrize(
    ("variant", "name", "rate"),
    [
        ("mean_teacher", "consistency", 1.0),
        ("cpcl", "forward_prototype", 0.5),
        ("cpcl", "backward_prototype", 0.05),
        ("cpcl_released", "consistency", 0.05),
        ("cu2l", "pseudo_label", 0.05),
        ("cu2l", "unlabeled_to_labeled", 0.05),
        ("cu2l", "category", 0.5),
        ("cu2l_student_prototypes", "category", 0.5),
        ("cu2l", "stability", 0.05),
    ],
)
def test_each_loss_alone_can_be_learned(variant, name, rate):
    """Against a teacher that stands still and differs from the student."""
    method, batch = toy_method(variant, 2, 4), toy_batch(2, 4)
    with torch.no_grad():
        method.teacher.network.head.weight.mul_(6)
    optimizer = torch.optim.SGD(method.student.parameters(), lr=rate)
    course = []
    for _ in range(12):
        loss = method.losses(batch, TrainingStep(500, 1000))[name].value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(loss.item())
    assert course[-1] < 0.8 * course[0]
