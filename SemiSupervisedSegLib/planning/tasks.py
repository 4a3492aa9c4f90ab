"""Tasks: the groups of structures that cases of a study are annotated for.

With partially annotated cases a study has several tasks. The background of a case of one task may contain structures of
the other tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..study.model import Role
from .cached_case import CachedCase

Task = tuple[int, ...]
"""Class indices of the structures of one task, ascending."""
UNKNOWN_TASK = -1


def find_tasks(cases: Sequence[CachedCase], num_classes: int) -> tuple[Task, ...]:
    """Return the distinct groups of structures that labeled cases are annotated for, sorted."""
    everything = tuple(range(1, num_classes))
    return tuple(sorted({case.annotated or everything for case in cases if case.role is Role.LABELED}))


def interleave_by_task(cases: Sequence[CachedCase]) -> list[CachedCase]:
    """Return the cases in the order first case of each task, second case of each task, and so on."""
    seen: Counter[Task | None] = Counter()
    ranks = []
    for case in cases:
        ranks.append(seen[case.annotated])
        seen[case.annotated] += 1
    return [case for _, case in sorted(zip(ranks, cases, strict=True), key=lambda pair: pair[0])]


def case_tasks(cases: Sequence[CachedCase], tasks: Sequence[Task], num_classes: int) -> list[int]:
    """Return the index of each case's task in ``tasks``, `UNKNOWN_TASK` for a case without a task.

    With a single task every case belongs to it.

    Args:
        cases: Cases of a stream.
        tasks: Tasks of the study, see `find_tasks`.
        num_classes: Number of classes, background included.
    """
    everything = tuple(range(1, num_classes))
    groups = [everything if case.annotated is None and case.has_labels else case.annotated for case in cases]
    if len(tasks) == 1:
        return [0] * len(cases)
    return [tasks.index(group) if group in tasks else UNKNOWN_TASK for group in groups]
