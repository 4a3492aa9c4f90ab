from __future__ import annotations

from pathlib import Path

import pytest

from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.planning.tasks import UNKNOWN_TASK, case_tasks, find_tasks, interleave_by_task
from SemiSupervisedSegLib.study.model import Role


def case(name: str, role: Role, annotated: tuple[int, ...] | None) -> CachedCase:
    return CachedCase(name, "", False, role, Path(), (1, 1, 1), role is not Role.UNLABELED, 0.0, 1, annotated)


LABELED = [case("a", Role.LABELED, (3,)), case("b", Role.LABELED, (1, 2)), case("c", Role.LABELED, (3,))]
OTHERS = [
    case("d", Role.UNLABELED, None),
    case("e", Role.UNLABELED, (3,)),
    case("f", Role.UNLABELED, (2,)),
    case("g", Role.VALIDATION, (2,)),
]


def test_tasks_are_the_groups_that_labeled_cases_are_annotated_for():
    assert find_tasks([*OTHERS, *LABELED], 4) == ((1, 2), (3,))
    assert find_tasks([*LABELED, case("h", Role.LABELED, None)], 4) == ((1, 2), (1, 2, 3), (3,))
    assert find_tasks([case("h", Role.LABELED, None)], 4) == ((1, 2, 3),)


def test_every_case_finds_its_task_and_those_that_say_nothing_have_none():
    tasks = find_tasks(LABELED, 4)
    assert case_tasks(LABELED, tasks, 4) == [1, 0, 1]
    assert case_tasks(OTHERS[:3], tasks, 4) == [UNKNOWN_TASK, 1, UNKNOWN_TASK]
    whole = [case("h", Role.LABELED, None), LABELED[0]]
    assert case_tasks(whole, find_tasks(whole, 4), 4) == [0, 1]


def test_every_case_belongs_to_a_single_task():
    assert case_tasks(OTHERS, ((1, 2, 3),), 4) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("groups", "order"),
    [([None, None, None], "012"), ([(1,), (1,), (2,), (2,), (3,)], "02413"), ([(2,), None, (2,), None], "0123")],
)
def test_tasks_are_interleaved(groups, order):
    cases = [case(str(number), Role.LABELED, group) for number, group in enumerate(groups)]
    assert "".join(item.id for item in interleave_by_task(cases)) == order
