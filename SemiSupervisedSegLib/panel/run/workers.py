"""A worker at work: one that this Slicer started, one that continues without it, or one of another program.

All have the same methods. None has a pipe for what the worker says: it writes to the job folder, and would end in the
middle of a step if Slicer crashed and the pipe with it.
"""

from __future__ import annotations

import contextlib
import shutil
import socket

import qt
from slicer.i18n import tr as _

from ...jobs.comparison import Comparison
from ...jobs.folder import JobFolder
from ...jobs.launcher import WorkerProcess, worker_arguments
from ...study.errors import UserError
from ...study.files import write_error
from ..services import Services
from .process_tree import kill_tree
from .processes import environment, exitCode, failedToStart, isRunning, makeProcess, startPython

_QUIT_MILLISECONDS = 10_000
_KILL_MILLISECONDS = 1000


class ChildWorker:
    """A worker that saves a checkpoint and ends when Slicer does: it watches its standard input."""

    detached = externallyStarted = False

    def __init__(self, process: qt.QProcess) -> None:
        self._process = process

    @classmethod
    def start(cls, folder: JobFolder, services: Services) -> ChildWorker:
        """Start the worker of a job."""
        process = makeProcess(services)
        process.setObjectName(_processName(folder))
        process.setStandardOutputFile(qt.QProcess.nullDevice())
        process.setStandardErrorFile(str(folder.log), qt.QIODevice.Append)
        _stopAtQuit(folder, process)
        startPython(process, services, worker_arguments(folder, shared=True))
        return cls(process)

    @classmethod
    def find(cls, folder: JobFolder) -> ChildWorker | None:
        """Return the worker of a job that was started before the module was reloaded, if there is one."""
        for child in qt.QCoreApplication.instance().children():
            if child.objectName == _processName(folder) and isRunning(child):
                return cls(child)
        return None

    def isRunning(self) -> bool:
        """Return whether it has not ended yet."""
        return isRunning(self._process)

    def exitCode(self) -> int | None:
        """Return the exit code; raises UserError when the process never started."""
        if failedToStart(self._process):
            raise _notStarted(self._process.errorString())
        return exitCode(self._process)

    def kill(self) -> None:
        """End it and everything it started."""
        kill_tree(self._process.processId())
        self._process.kill()
        self._process.waitForFinished(_KILL_MILLISECONDS)

    def stopFollowing(self) -> None:
        """Follow it no longer."""
        # One that still runs is found again by its name, and stopped when Slicer quits.
        if not self.isRunning():
            self._process.deleteLater()


class DetachedWorker:
    """A worker that continues when Slicer quits, here or on another machine.

    Args:
        folder: Folder of the job.
        services: The world outside.
        machine: Name of the other machine; the process here sends the job, follows it and fetches its results.
    """

    detached, externallyStarted = True, False

    def __init__(self, folder: JobFolder, services: Services, machine: str = "") -> None:
        if shutil.which(services.pythonExecutable) is None:
            raise _notStarted(_("{program} is not there").format(program=services.pythonExecutable))
        arguments = worker_arguments(folder, detached=True, shared=True, machine=machine)
        command = [services.pythonExecutable, *arguments]
        self._process = WorkerProcess(folder, command, detached=True, environment=environment())

    def isRunning(self) -> bool:
        """Return whether it has not ended yet."""
        return self._process.poll() is None

    def exitCode(self) -> int | None:
        """Return the exit code."""
        return self._process.poll()

    def kill(self) -> None:
        """End it and everything it started."""
        if self.isRunning():
            # Connections to another machine have groups of their own.
            kill_tree(self._process.pid)
        self._process.kill_tree()

    def stopFollowing(self) -> None:
        """Follow it no longer."""


class ExternalWorker:
    """A worker that another program started, or an earlier Slicer."""

    detached, externallyStarted = True, True

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder

    def isRunning(self) -> bool:
        """Return whether it has not ended yet."""
        return self._folder.is_running()

    def exitCode(self) -> int | None:
        """Return None: the exit code of another program's worker is not known."""
        return None

    def kill(self) -> None:
        """End it and everything it started; raises UserError when it runs on another computer."""
        status = self._folder.status()
        if status.host != socket.gethostname():
            raise UserError(f"The worker runs on another computer ({status.host}).", "End it there.")
        if self.isRunning():
            kill_tree(status.pid)

    def stopFollowing(self) -> None:
        """Follow it no longer."""


Worker = ChildWorker | DetachedWorker | ExternalWorker


def startWorker(folder: JobFolder, services: Services, detached: bool, machine: str = "") -> Worker:
    """Start the worker of a job; raises UserError when its folder cannot be written or Python is not there."""
    try:
        # An old request would stop the new worker at once.
        folder.clear_cancel()
        folder.log.touch()
    except OSError as error:
        raise write_error(folder.log, error) from error
    if machine or detached:
        # The worker of a comparison gives its trainings to the machine that the comparison names.
        return DetachedWorker(folder, services, "" if isinstance(folder, Comparison) else machine)
    return ChildWorker.start(folder, services)


def findWorker(folder: JobFolder) -> Worker | None:
    """Return the worker that runs a job, None when there is none."""
    return ChildWorker.find(folder) or (ExternalWorker(folder) if folder.is_running() else None)


def _notStarted(reason: str) -> UserError:
    return UserError(
        _("The program that trains could not be started ({reason}).").format(reason=reason.rstrip(".")),
        _("Restart Slicer; if that does not help, install it and this extension again."),
    )


def _processName(folder: JobFolder) -> str:
    return f"SemiSupervisedSeg {folder.path}"


def _stopAtQuit(folder: JobFolder, process: qt.QProcess) -> None:
    """Make a worker save and end before Slicer quits, which would otherwise kill it."""
    app, running = qt.QCoreApplication.instance(), [process]

    def stop() -> None:
        for process in tuple(running):
            with contextlib.suppress(UserError):
                folder.request_cancel()
            process.closeWriteChannel()
            process.waitForFinished(_QUIT_MILLISECONDS)
        # The application goes away, and a process that is still there dies with it.
        running.clear()

    def forget(state: qt.QProcess.ProcessState) -> None:
        # The state that comes when it has ended or could not be started.
        if state == qt.QProcess.NotRunning and running:
            running.clear()
            app.disconnect("aboutToQuit()", stop)

    app.connect("aboutToQuit()", stop)
    process.connect("stateChanged(QProcess::ProcessState)", forget)
