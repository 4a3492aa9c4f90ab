"""Processes of the worker's Python, with a separate environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import qt
import slicer

from ...jobs.launcher import worker_environment
from ..services import Services


def environment() -> dict[str, str]:
    """Return the environment of a worker: Slicer's at its start, with the worker's additions.

    Slicer's own variables are left out, because its Python sets them anew.
    """
    return worker_environment(slicer.util.startupEnvironment())


def makeProcess(services: Services, additions: Mapping[str, str] | None = None) -> qt.QProcess:
    """Return a process that is not started; the application owns it, so that it outlives a reloaded module.

    Args:
        services: The world outside.
        additions: Environment variables beside those of a worker.
    """
    process = services.processFactory()
    process.setParent(qt.QCoreApplication.instance())
    variables = qt.QProcessEnvironment()
    for name, value in {**(additions or {}), **environment()}.items():
        variables.insert(name, value)
    process.setProcessEnvironment(variables)
    return process


def isRunning(process: qt.QProcess) -> bool:
    """Return whether a process is starting or running."""
    return process.state() != qt.QProcess.NotRunning


def exitCode(process: qt.QProcess) -> int:
    """Return the exit code of a process that has ended, negative for a signal."""
    code = process.exitCode()
    return -code if process.exitStatus() == qt.QProcess.CrashExit else code


def failedToStart(process: qt.QProcess) -> bool:
    """Return whether a process that is not running could not be started at all."""
    return process.error() == qt.QProcess.FailedToStart


def startPython(process: qt.QProcess, services: Services, arguments: Sequence[str]) -> None:
    """Start the worker's Python in a process; whether that works shows later."""
    process.start(services.pythonExecutable, list(arguments))
