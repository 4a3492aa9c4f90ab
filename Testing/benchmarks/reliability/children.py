"""Processes that are forked from this one, which has loaded PyTorch already, so that each begins at once.

Nothing here may compute in the parent with more than one thread: threads do not come along into a fork.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import SimpleITK as sitk
import torch

import SemiSupervisedSegLib.engine.worker.worker  # noqa: F401 - loaded once, for all children
from SemiSupervisedSegLib.__main__ import main
from SemiSupervisedSegLib.jobs.events import Event
from SemiSupervisedSegLib.jobs.folder import JobFolder

_POLL_SECONDS = 0.002
torch.set_num_threads(1)
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds on a processor, bytes of memory beside those of its parent, bytes of a file."""

    processor_seconds: int | None = None
    memory: int | None = None
    file: int | None = None


class Child:
    """A process in a group of its own that does some work and exits with what it returns; its output goes to files."""

    def __init__(
        self, work: Callable[[], int], errors: Path, output: Path | None = None, limits: Limits | None = None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        self._code: int | None = None
        if self.pid == 0:
            _work_and_exit(work, errors, output, limits or Limits())

    def poll(self) -> int | None:
        """The exit code, None while the child runs; negative for a signal."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float = 600.0) -> int | None:
        """Wait for the end and return the exit code, None when the child was not done in time and was killed."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                self.kill_tree()
                return None
            time.sleep(_POLL_SECONDS)
        return self._code

    def kill_tree(self) -> int:
        """End the child and everything it started at once, and return the exit code."""
        if self.poll() is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has not got its own group yet
                os.kill(self.pid, signal.SIGKILL)
        while self.poll() is None:
            time.sleep(_POLL_SECONDS)
        return self._code


class ForkedWorker(Child):
    """The worker of a job, as the command line starts it, with the questions of `launcher.WorkerProcess`."""

    def __init__(self, folder: JobFolder, limits: Limits | None = None) -> None:
        self._folder = folder
        self._start = self._offset = folder.end_of_events()
        folder.clear_cancel()
        super().__init__(lambda: command("worker", "--job", folder.path, "--detached"), folder.log, limits=limits)

    def new_events(self) -> list[Event]:
        """What the worker reported since the last call."""
        events, self._offset = self._folder.events(self._offset)
        return events

    def all_events(self) -> list[Event]:
        """What the worker reported since it was started."""
        return self._folder.events(self._start)[0]


def command(*arguments: object) -> int:
    """Run a command of the program in this process and return its exit code."""
    return main([str(argument) for argument in arguments])


def _work_and_exit(work: Callable[[], int], errors: Path, output: Path | None, limits: Limits) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _redirect(errors, output)
        _set(limits)
        code = work()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(errors: Path, output: Path | None) -> None:
    for place, descriptor in ((Path(os.devnull), 0), (output or Path(os.devnull), 1), (errors, 2)):
        opened = os.open(place, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)
    # Those of the parent may be a pipe of a test runner.
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115


def _set(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.processor_seconds is not None:
        # The second, hard limit ends the child where the signal of the first one is not heeded.
        resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_seconds, limits.processor_seconds + 5))
    if limits.memory is not None:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        used = next(int(line.split()[1]) for line in lines if line.startswith("VmSize:")) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (used + limits.memory, used + limits.memory))
    if limits.file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file, resource.RLIM_INFINITY))
