from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from SemiSupervisedSegLib.engine.data import batches
from SemiSupervisedSegLib.engine.data.batches import MEBIBYTE, BatchSource, share_budget
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role

from ...planning.plans import plan_2d


def case(number: int, role: Role = Role.UNLABELED, external: bool = False, megabytes: int = 10) -> CachedCase:
    size = megabytes * MEBIBYTE
    return CachedCase(f"c{number}", "site", external, role, Path(), (1, 1, 1), role is Role.LABELED, 0.0, size)


def test_few_labeled_cases_beside_many_others_get_their_share():
    members = {"labeled": [case(n) for n in range(4)], "unlabeled": [case(n) for n in range(400)]}
    budgets = share_budget(members, 100 * MEBIBYTE)
    assert budgets["labeled"] >= 20 * MEBIBYTE
    assert budgets["unlabeled"] >= 20 * MEBIBYTE
    assert sum(budgets.values()) <= 100 * MEBIBYTE


def test_when_all_cases_fit_every_stream_holds_all_of_its_cases():
    members = {"labeled": [case(n, megabytes=n + 1) for n in range(5)], "external": [case(n) for n in range(9)]}
    total = sum(item.nbytes for group in members.values() for item in group)
    assert share_budget(members, total) == {name: sum(item.nbytes for item in group) for name, group in members.items()}


def test_a_budget_that_holds_too_little_names_what_is_needed():
    with pytest.raises(UserError, match=r'30 MiB.* "cache_budget_mb" to at least 40'):
        share_budget({"labeled": [case(1), case(2)], "unlabeled": [case(3), case(4), case(5)]}, 30 * MEBIBYTE)


class _Stream:
    """Draws the same images at every step."""

    images = torch.arange(2 * 32 * 32.0).view(2, 1, 32, 32)

    def __init__(self, *_: object) -> None:
        pass

    def draw(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        return self.images, self.images[:, 0].long()

    def drawn_cases(self, step: int, count: int) -> list[int]:
        return [0, 0]

    def drawn_extents(self, step: int, count: int) -> list[tuple[float, float]]:
        return [(0.25, 0.25), (0.75, 0.75)]


@pytest.mark.parametrize(
    ("augmentation", "same"), [("none", True), ("rotations", False), ("spatial", False), ("strong", False)]
)
def test_patches_are_transformed_unless_the_setting_says_not_to(monkeypatch, augmentation, same):
    monkeypatch.setattr(batches, "CaseStream", _Stream)
    settings = {"labeled_batch": 2, "cache_budget_mb": 100, "foreground_share": 0.0, "augmentation": augmentation}
    streams = frozenset({"labeled"})
    source = BatchSource([case(1, Role.LABELED)], streams, plan_2d(num_classes=2), settings, 1, torch.device("cpu"))
    drawn = [source(step).labeled.images for step in range(4)]
    assert all(torch.equal(images, _Stream.images) for images in drawn) == same
    assert source(0).labeled.extents.tolist() == [[0.25, 0.25], [0.75, 0.75]]
