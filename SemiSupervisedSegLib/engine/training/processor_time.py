"""Processor time of a training, over all of its workers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


class ProcessorTime:
    """Seconds that all threads of this process and its ended children have computed, added to those of before.

    Args:
        before: Seconds of earlier workers of the same training; None where they are not known.
    """

    def __init__(self, before: float | None = 0.0) -> None:
        self._before = before
        self._since = _seconds_of_process()

    @property
    def seconds(self) -> float | None:
        """The sum so far, to a hundredth; None where the seconds of before are not known."""
        return None if self._before is None else round(self._before + _seconds_of_process() - self._since, 2)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Return a context whose seconds do not count."""
        began = _seconds_of_process()
        try:
            yield
        finally:
            self._since += _seconds_of_process() - began


def _seconds_of_process() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
