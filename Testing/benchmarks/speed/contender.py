"""Processes that do the same work in different ways and take turns, so that a change of load meets them all."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

import psutil
import torch

from SemiSupervisedSegLib.engine.device import Device


class Contender:
    """A process that works on request.

    Args:
        serve: called there with `work` and a pipe; sends through `answer_turns`, and whatever else at the end.
        work: anything that can be pickled.
        environment: variables beside those of this process.
    """

    def __init__(self, serve: Callable[[Any, Connection], None], work: Any, environment: Mapping[str, str]) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(work, other))
        before = dict(os.environ)
        os.environ.update(environment)
        self._process.start()
        os.environ.clear()
        os.environ.update(before)
        other.close()
        self.seconds: list[float] = []
        self.cpu_seconds = 0.0

    @property
    def median(self) -> float:
        """Median seconds of a step."""
        return statistics.median(self.seconds)

    @property
    def cpu(self) -> float:
        """Mean CPU seconds of a step, of the process and those that it started."""
        return self.cpu_seconds / len(self.seconds)

    def run(self, steps: int) -> None:
        """Do some steps."""
        before = self._cpu()
        self._pipe.send(steps)
        self.seconds += self._pipe.recv()
        self.cpu_seconds += self._cpu() - before

    def end(self, answers: bool = False) -> Any:
        """Stop, and return what the process sends at the end, if it sends something."""
        self._pipe.send(0)
        answer = self._pipe.recv() if answers else None
        self._process.join()
        return answer

    def _cpu(self) -> float:
        process = psutil.Process(self._process.pid)
        times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
        return sum(part.user + part.system for part in times)


def take_turns(contenders: list[Contender], blocks: int, steps: int) -> None:
    """Warm all up with a step each, which does not count, and let them do `steps` in each of `blocks` turns."""
    for contender in contenders:
        contender.run(1)
        contender.seconds, contender.cpu_seconds = [], 0.0
    for _ in range(blocks):
        for contender in contenders:
            contender.run(steps)


def answer_turns(pipe: Connection, device: Device) -> Iterator[bool]:
    """Yield True for each step that is to be done, and send the seconds of each turn; False when it is over."""
    while steps := pipe.recv():
        seconds = []
        for _ in range(steps):
            synchronize(device)
            start = time.perf_counter()
            yield True
            synchronize(device)
            seconds.append(time.perf_counter() - start)
        pipe.send(seconds)
    yield False


def synchronize(device: Device) -> None:
    """Wait for the device."""
    if device.torch.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: Device) -> float:
    """Time some work."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start
