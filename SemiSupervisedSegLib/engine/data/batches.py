"""The batch of a step, drawn from the streams a method needs and augmented on the device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...jobs.needs import streams_of
from ...planning.cached_case import CachedCase
from ...planning.plan import Plan
from ...planning.tasks import case_tasks, find_tasks
from ...study.errors import UserError
from .augmentation import Augmentation
from .batch import NO_IMAGES, Batch, Labeled, Unlabeled
from .randomness import torch_generator_at
from .streams import CaseStream

MEBIBYTE = 2**20


class BatchSource:
    """Draws the batch of any step; what it draws depends on the seed and the step alone.

    Args:
        cases: All cases in the cache.
        streams: Those of "labeled", "unlabeled" and "external" that the method needs.
        plan: Plan of the study.
        settings: Batch sizes, the cache budget, the share of foreground patches and the augmentation.
        seed: Seed of the job.
        device: Device of the batches.
        memory_format: Memory order of the images.
    """

    def __init__(
        self,
        cases: Sequence[CachedCase],
        streams: frozenset[str],
        plan: Plan,
        settings: Mapping[str, Any],
        seed: int,
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._seed = seed
        self._augmentation = Augmentation(
            settings.get("augmentation", "rotations"), plan.spacing, settings.get("keep_orientation", False)
        )
        self._memory_format = memory_format
        self._counts = {name: settings[f"{name}_batch"] for name in streams}
        members = streams_of(cases, streams)
        tasks = find_tasks(cases, plan.num_classes)
        self._tasks = {
            name: torch.tensor(case_tasks(group, tasks, plan.num_classes), device=device)
            for name, group in members.items()
        }
        budgets = share_budget(members, settings["cache_budget_mb"] * MEBIBYTE)
        self._streams = {
            name: CaseStream(
                group,
                plan,
                seed,
                name,
                budgets[name],
                device,
                settings["foreground_share"] if name == "labeled" else 0.0,
            )
            for name, group in members.items()
        }

    def prepare(self, step: int) -> None:
        """Read what a step draws from, before the first step or after a jump."""
        for stream in self._streams.values():
            stream.prepare(step)

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0 over all stages."""
        images, labels = self._draw("labeled", step)
        assert labels is not None, "labeled cases have annotations"
        labeled = Labeled(images, labels, self._draw_tasks("labeled", step), self._draw_extents("labeled", step))
        return Batch(labeled, self._draw_unlabeled("unlabeled", step), self._draw_unlabeled("external", step))

    def close(self) -> None:
        """Release all cases."""
        for stream in self._streams.values():
            stream.close()

    def _draw_unlabeled(self, name: str, step: int) -> Unlabeled:
        if name not in self._streams:
            return NO_IMAGES
        return Unlabeled(self._draw(name, step)[0], self._draw_tasks(name, step), self._draw_extents(name, step))

    def _draw_tasks(self, name: str, step: int) -> Tensor:
        return self._tasks[name][self._streams[name].drawn_cases(step, self._counts[name])]

    def _draw_extents(self, name: str, step: int) -> Tensor:
        tasks = self._tasks[name]
        return torch.tensor(self._streams[name].drawn_extents(step, self._counts[name]), device=tasks.device)

    def _draw(self, name: str, step: int) -> tuple[Tensor, Tensor | None]:
        images, labels = self._streams[name].draw(step, self._counts[name])
        generator = torch_generator_at(self._seed, f"{name}/augment", step)
        images, labels = self._augmentation(images, labels, generator)
        return images.contiguous(memory_format=self._memory_format), labels


def share_budget(members: Mapping[str, Sequence[CachedCase]], total: int) -> dict[str, int]:
    """Share the bytes for images: each stream gets what its two largest cases take, the rest goes by what is left.

    A stream needs two cases at once, and a few labeled ones beside hundreds of others must not go short. When all
    cases fit, each stream gets what all of its cases take. Raises UserError when even the least does not fit.
    """
    sizes = {name: sorted((case.nbytes for case in group), reverse=True) for name, group in members.items()}
    least = {name: sum(values[:2]) for name, values in sizes.items()}
    left = {name: sum(values[2:]) for name, values in sizes.items()}
    rest = total - sum(least.values())
    if rest < 0:
        needed = math.ceil(sum(least.values()) / MEBIBYTE)
        raise UserError(
            f"The memory set aside for images ({total / MEBIBYTE:.0f} MiB) does not hold two cases of each kind.",
            f'Set "cache_budget_mb" to at least {needed}, or lower "in_plane_scale".',
        )
    return {name: least[name] + rest * left[name] // max(1, sum(left.values())) for name in members}
