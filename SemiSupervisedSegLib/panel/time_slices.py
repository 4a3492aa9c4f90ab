"""Long work in small portions, between which Qt answers the user.

Threads of Python stand still in Slicer while Qt waits for the user, so the work is done by a timer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import qt

from ..study.errors import UserError

Progress = TypeVar("Progress")
Result = TypeVar("Result")
_SECONDS_AT_ONCE = 0.02
_PAUSE_MS = 2


class TimeSlicedTask(Generic[Progress, Result]):
    """Runs a generator until it ends; what it yields is progress, what it returns is the result.

    Args:
        work: Generator of the work; its `finally` blocks release what it holds when it is cancelled.
        onDone: Function called with the result.
        onError: Function called with the UserError that ended the work.
        onProgress: Function called with the last yielded value, about 40 times a second at most.
    """

    def __init__(
        self,
        work: Generator[Progress, None, Result],
        onDone: Callable[[Result], None],
        onError: Callable[[UserError], None],
        onProgress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._work = work
        self._onDone, self._onError, self._onProgress = onDone, onError, onProgress
        self.running = True
        self._timer = qt.QTimer()
        self._timer.setInterval(_PAUSE_MS)
        self._timer.connect("timeout()", self._tick)
        self._timer.start()

    def cancel(self) -> None:
        """Stop where it is; neither `onDone` nor `onError` is called."""
        self._stop()
        self._work.close()

    def _tick(self) -> None:
        if not self.running:
            return
        # Only what comes back from a whole portion keeps the timer going, whatever goes wrong in it.
        self._stop()
        try:
            progress = self._runSlice()
        except StopIteration as stop:
            self._onDone(stop.value)
        except UserError as error:
            self._onError(error)
        else:
            self.running = True
            self._timer.start()
            self._onProgress(progress)

    def _runSlice(self) -> Progress:
        end = time.monotonic() + _SECONDS_AT_ONCE
        progress = next(self._work)
        while time.monotonic() < end:
            progress = next(self._work)
        return progress

    def _stop(self) -> None:
        self.running = False
        self._timer.stop()
