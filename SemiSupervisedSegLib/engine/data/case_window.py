"""Cases in memory: all of them, or a sliding window over the shuffled cases that stays within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...planning.cached_case import CachedCase
from ...study.errors import UserError
from .randomness import EndlessShuffle

# Steps between two moves of the window: time enough to read a case in the background, and soon enough for every case
# to have its turn (400 cases pass in 1600 steps).
STEPS_PER_CASE = 4


@dataclass(frozen=True)
class ResidentCase:
    """A case on the device.

    Attributes:
        image: Voxels (slices, rows, columns) float32.
        labels: Class indices of that shape, uint8; None without annotation.
        foreground: Annotated voxels (N, 4) in main memory, as in `CaseArrays`.
        pad_value: Value of the image outside of the volume.
    """

    image: Tensor
    labels: Tensor | None
    foreground: np.ndarray | None
    pad_value: float


class CaseWindow:
    """Keeps as many cases on the device as the budget allows; which ones depends on the step alone.

    When all fit, all stay. Otherwise the window slides over an endless shuffled sequence of the cases: at step t it
    holds `width` of them from position t // STEPS_PER_CASE on, while a thread reads the next one.

    Args:
        cases: Cases in the cache.
        seed: Seed of the job.
        name: Name of the stream.
        budget_bytes: Limit for the arrays on the device, the one that is being read included.
        device: Device of the arrays.

    Raises:
        UserError: There is no case, or the budget does not hold the two largest ones.
    """

    def __init__(
        self, cases: Sequence[CachedCase], seed: int, name: str, budget_bytes: int, device: torch.device
    ) -> None:
        if not cases:
            raise UserError(f'There is no case for the stream "{name}".', "Add such cases to the study.")
        self._cases = tuple(cases)
        self._device = device
        self._order = EndlessShuffle(len(cases), seed, f"{name}/cases")
        self.holds_all = sum(case.nbytes for case in cases) <= budget_bytes
        self.width = len(cases) if self.holds_all else _width(cases, budget_bytes)
        self._loading: dict[int, Future[ResidentCase]] = {}
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"read-{name}")

    def indices_at(self, step: int) -> tuple[int, ...]:
        """Return which cases may be drawn from at a step, without repetition."""
        if self.holds_all:
            return tuple(range(len(self._cases)))
        first = step // STEPS_PER_CASE
        # Two passes that meet within the window may bring the same case twice.
        return tuple(dict.fromkeys(self._order[position] for position in range(first, first + self.width)))

    def advance_to(self, step: int) -> None:
        """Release the cases that left the window before a step, and start to read those that it needs, and the next."""
        needed = self.indices_at(step)
        if not self.holds_all:
            needed = (*needed, self._order[step // STEPS_PER_CASE + self.width])
        for index in [index for index in self._loading if index not in needed]:
            self._release(index)
        for index in needed:
            if index not in self._loading:
                self._loading[index] = self._reader.submit(self._read, self._cases[index])

    def __getitem__(self, index: int) -> ResidentCase:
        """Return a case of the window, waiting for the thread where it is late."""
        return self._loading[index].result()

    def close(self) -> None:
        """Stop reading and release all cases."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._loading.clear()

    def _release(self, index: int) -> None:
        future = self._loading.pop(index)
        if not future.cancel():
            # A case that is being read takes memory until it is done; only then may another come in its place.
            future.exception()

    def _read(self, case: CachedCase) -> ResidentCase:
        arrays = case.load()
        image = torch.from_numpy(arrays.image).to(self._device)
        labels = None if arrays.labels is None else torch.from_numpy(arrays.labels).to(self._device)
        return ResidentCase(image, labels, arrays.foreground, case.pad_value)


def _width(cases: Sequence[CachedCase], budget_bytes: int) -> int:
    # The largest cases may come together, and the next one is read while they are still needed.
    together = np.cumsum(sorted((case.nbytes for case in cases), reverse=True))
    width = int(np.searchsorted(together, budget_bytes, side="right")) - 1
    if width < 1:
        needed = int(together[min(1, len(cases) - 1)])
        raise UserError(
            f"The memory set aside for images ({budget_bytes / 2**20:.0f} MiB) does not hold two of the largest cases.",
            f"Set it to at least {needed / 2**20:.0f} MiB for each kind of images, or lower in_plane_scale.",
        )
    return width
