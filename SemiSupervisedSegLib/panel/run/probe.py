"""Probe for devices in a separate process of the worker's Python: Slicer never imports torch."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from ...jobs.shared_processor import available_cores
from ...jobs.shared_processor import environment as worker_threads
from ..logic.devices import DeviceInfo, problems_in_words, read_devices
from ..services import Services
from ..signal import Signal
from .process_tree import kill_tree
from .processes import exitCode, failedToStart, isRunning, makeProcess, startPython

_ARGUMENTS = ("-m", "SemiSupervisedSegLib.engine.device_probe")
_PATIENCE_MILLISECONDS = 90_000
_TICK_MILLISECONDS = 100
_END_MILLISECONDS = 5000


class DeviceProbe:
    """Finds devices.

    Attributes:
        done: Signal that the probe has ended, successfully or not.
        devices: Available devices, the best one first.
        problem: Reason why there are none, empty when there are.
    """

    def __init__(self, services: Services) -> None:
        self.done = Signal()
        self.devices: tuple[DeviceInfo, ...] = ()
        self.problem = ""
        self._services = services
        self._process: qt.QProcess | None = None
        self._ticks = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(_TICK_MILLISECONDS)
        self._timer.connect("timeout()", self._tick)

    @property
    def running(self) -> bool:
        """Whether the probe is running."""
        return self._process is not None

    def whyNone(self, answered: bool) -> str:
        """Return why there is no device that can train, empty when there may be one and the probe has not answered."""
        if self.running:
            return _("Looking for what this computer can train on; that takes some seconds.")
        if not answered:
            return ""
        return self.problem or problems_in_words(self.devices) or _("There is no device to train on.")

    def start(self) -> None:
        """Start the probe, unless it is running."""
        if not self.running:
            # As many threads as the worker has, whose speed is to be known.
            self._process = makeProcess(self._services, worker_threads(available_cores()))
            self._ticks = 0
            startPython(self._process, self._services, _ARGUMENTS)
            self._timer.start()

    def cancel(self) -> None:
        """Stop waiting for the result."""
        self._timer.stop()
        if self.running:
            process, self._process = self._process, None
            kill_tree(process.processId())
            process.kill()
            # A process that is deleted before the system has ended it makes Qt complain and wait.
            if isRunning(process) and not process.waitForFinished(_END_MILLISECONDS):
                process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: process.deleteLater())
            else:
                process.deleteLater()

    def _tick(self) -> None:
        self._ticks += 1
        if isRunning(self._process) and self._ticks * _TICK_MILLISECONDS < _PATIENCE_MILLISECONDS:
            return
        self.devices, self.problem = self._answer()
        self.cancel()
        self.done.emit()

    def _answer(self) -> tuple[tuple[DeviceInfo, ...], str]:
        process = self._process
        if isRunning(process):
            return (), _("PyTorch did not answer in time.")
        if failedToStart(process):
            return (), _("Python could not be started ({reason}).").format(reason=process.errorString())
        output = process.readAllStandardOutput().data().decode("utf-8", errors="replace")
        try:
            if exitCode(process) == 0:
                return read_devices(output), ""
        except ValueError:
            pass
        errors = process.readAllStandardError().data().decode("utf-8", errors="replace").strip().splitlines()
        return (), _("PyTorch could not be loaded: {reason}").format(
            reason=errors[-1] if errors else _("no reason given")
        )
