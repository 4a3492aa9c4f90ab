from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.parts.own_tasks import OwnTasks
from SemiSupervisedSegLib.planning.tasks import UNKNOWN_TASK

from ... import reference
from ...reference import array

TASKS = ((1,), (2, 3))
OWN = {0: [0, 1], 1: [0, 2, 3], UNKNOWN_TASK: [0, 1, 2, 3]}


@pytest.mark.parametrize("size", [(3, 4), (2, 3, 2)])
def test_an_image_answers_for_its_own_structures(size):
    logits, tasks = torch.randn(3, 4, *size, dtype=torch.float64), torch.tensor([1, UNKNOWN_TASK, 0])
    found = array(OwnTasks(TASKS, 4)(logits, tasks).softmax(dim=1))
    for image, task in enumerate(tasks.tolist()):
        expected = np.zeros_like(found[image])
        expected[OWN[task]] = reference.softmax(array(logits)[image][OWN[task]], axis=0)
        np.testing.assert_allclose(found[image], expected, atol=1e-12)


def test_others_get_no_gradient():
    logits = torch.randn(1, 4, 5, requires_grad=True)
    OwnTasks(TASKS, 4)(logits, torch.tensor([0])).log_softmax(dim=1)[:, 1].sum().backward()
    assert (logits.grad.abs().amax(dim=(0, 2)) > 0).tolist() == [True, True, False, False]


@pytest.mark.parametrize("tasks", [(), TASKS])
def test_where_there_is_one_task_logits_stay(tasks):
    logits = torch.randn(2, 4, 3)
    assert OwnTasks(tasks, 4)(logits, None) is logits
    unknown = torch.tensor([UNKNOWN_TASK, UNKNOWN_TASK])
    assert torch.equal(OwnTasks(tasks, 4)(logits, unknown), logits)
