"""Endless streams of patches: the labeled, the unlabeled and the external cases of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...planning.cached_case import CachedCase
from ...planning.plan import Plan
from .case_window import CaseWindow, ResidentCase
from .crops import copy_patch, offset_near, random_foreground, random_offset
from .randomness import EndlessShuffle, generator_at


class _Place(NamedTuple):
    """Where a sample is cut out of a case; the index of a slice counts in 2D only."""

    case: ResidentCase
    slice_index: int
    offset: tuple[int, ...]


class CaseStream:
    """Draws batches of patches from some cases of a study; what is drawn depends on (seed, name, step) only.

    While all cases fit into the budget, the items (2D: slices, 3D: cases) come in endless shuffled passes without
    repetition, as in the two-stream sampler that the papers use (Yu et al., MICCAI 2019). Otherwise they are drawn
    from the window of cases that is in memory. No call reads a file in the calling thread.

    Args:
        cases: Cases in the cache; labels are drawn when all of them are annotated.
        plan: Plan with which they were preprocessed.
        seed: Seed of the job.
        name: Name of the stream; streams of different names draw independently.
        budget_bytes: Limit for the cases on the device.
        device: Device of the batches.
        foreground_share: Share of the patches that are cut near an annotated voxel, in 2D where the slice has one.

    Raises:
        UserError: There is no case, or the budget does not hold the two largest ones.
    """

    def __init__(
        self,
        cases: Sequence[CachedCase],
        plan: Plan,
        seed: int,
        name: str,
        budget_bytes: int,
        device: torch.device | str,
        foreground_share: float = 0.0,
    ) -> None:
        self._window = CaseWindow(cases, seed, name, budget_bytes, torch.device(device))
        self._device = torch.device(device)
        self._plan = plan
        self._seed = seed
        self._name = name
        self._is_flat = plan.dimensions == 2
        self._foreground_share = foreground_share
        self._has_labels = all(case.has_labels for case in cases)
        self._items_per_case = [case.shape[0] if self._is_flat else 1 for case in cases]
        self._order = EndlessShuffle(sum(self._items_per_case), seed, f"{name}/items")

    def prepare(self, step: int) -> None:
        """Read what a step draws from and wait for it, before the first step or after a jump."""
        self._window.advance_to(step)
        for index in self._window.indices_at(step):
            self._window[index]

    def draw(self, step: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Return the batch of a step.

        Args:
            step: Number of the step, counted from 0.
            count: Number of samples B, the same at every step.

        Returns:
            Images (B, 1, *patch) float32, and class indices (B, *patch) int64 or None. Outside of a volume that is
            smaller than the patch the image is its minimum and the class 0.
        """
        images = torch.empty((count, 1, *self._plan.patch), dtype=torch.float32, device=self._device)
        labels = None
        if self._has_labels:
            labels = torch.empty((count, *self._plan.patch), dtype=torch.int64, device=self._device)
        # Copies of slices: as few launches on a device as samples, and on a CPU several times faster than one gather.
        for sample, place in enumerate(self._places(step, count)):
            self._cut(place, images[sample, 0], None if labels is None else labels[sample])
        return images, labels

    def drawn_cases(self, step: int, count: int) -> list[int]:
        """Return the index of the case that each sample of a step is cut from; arguments as of `draw`."""
        self._window.advance_to(step)
        generator = generator_at(self._seed, f"{self._name}/patches", step)
        return [index for index, _ in self._choose(step, count, generator)]

    def drawn_extents(self, step: int, count: int) -> list[tuple[float, float]]:
        """Return where the first and the last slice of each sample lie in their case; arguments as of `draw`.

        They go from 0 to 1 along the slice axis, beyond that where a patch exceeds its case.
        """
        extents = []
        for place in self._places(step, count):
            slices = len(place.case.image)
            first, length = (place.slice_index, 1) if self._is_flat else (place.offset[0], self._plan.patch[0])
            extents.append(((first + 0.5) / slices, (first + length - 0.5) / slices))
        return extents

    def close(self) -> None:
        """Release all cases."""
        self._window.close()

    def _choose(self, step: int, count: int, generator: np.random.Generator) -> list[tuple[int, int]]:
        cases = self._window.indices_at(step)
        ends = np.cumsum([self._items_per_case[index] for index in cases])
        if self._window.holds_all:
            items = [self._order[step * count + sample] for sample in range(count)]
        else:
            items = generator.choice(ends[-1], size=count, replace=count > ends[-1]).tolist()
        places = np.searchsorted(ends, items, side="right")
        starts = ends - [self._items_per_case[index] for index in cases]
        return [(cases[place], item - int(starts[place])) for place, item in zip(places, items, strict=True)]

    def _places(self, step: int, count: int) -> Iterator[_Place]:
        """Yield where each sample of a step is cut out."""
        self._window.advance_to(step)
        generator = generator_at(self._seed, f"{self._name}/patches", step)
        for index, slice_index in self._choose(step, count, generator):
            case = self._window[index]
            shape = tuple(case.image.shape[1:] if self._is_flat else case.image.shape)
            offset = self._offset(case, slice_index if self._is_flat else None, shape, generator)
            yield _Place(case, slice_index, offset)

    def _cut(self, place: _Place, image: Tensor, labels: Tensor | None) -> None:
        case = place.case
        volume = case.image[place.slice_index] if self._is_flat else case.image
        copy_patch(image, volume, place.offset, case.pad_value)
        if labels is not None and case.labels is not None:
            copy_patch(labels, case.labels[place.slice_index] if self._is_flat else case.labels, place.offset, 0)

    def _offset(
        self, case: ResidentCase, slice_index: int | None, shape: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[int, ...]:
        if case.foreground is not None and generator.random() < self._foreground_share:
            foreground = case.foreground
            if slice_index is not None:
                foreground = foreground[foreground[:, 1] == slice_index]
            voxel = random_foreground(foreground, generator)
            if voxel is not None:
                return offset_near(voxel[-len(shape) :].tolist(), shape, self._plan.patch, generator)
        return random_offset(shape, self._plan.patch, generator)
