"""Work on another machine that is no job: test, set-up and deletion, each in a process of the worker's Python."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ...jobs.remote.checks import Check
from ..logic.machine_process import MODULE, read_check
from ..services import Services
from .process_tree import kill_tree
from .processes import exitCode, failedToStart, makeProcess, startPython


class MachineWork:
    """One test, set-up or deletion at a time; nothing here waits for the network.

    Args:
        services: The world outside.
        onCheck: Function that takes each thing that was done.
        onEnd: Function that is called when it has ended, in any way, with whether all went well.
    """

    def __init__(self, services: Services, onCheck: Callable[[Check], None], onEnd: Callable[[bool], None]) -> None:
        self._services, self._onCheck, self._onEnd = services, onCheck, onEnd
        self._process: qt.QProcess | None = None

    @property
    def running(self) -> bool:
        """Whether something is being tested, set up or deleted."""
        return self._process is not None

    def start(self, action: str, name: str) -> None:
        """Begin to `test` or `setup` the machine of a name, or to `delete` there what was deleted here."""
        process = self._process = makeProcess(self._services)
        process.connect("readyReadStandardOutput()", self._take)
        process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: self._end(process))
        process.connect("errorOccurred(QProcess::ProcessError)", lambda error: self._fail(process))
        startPython(process, self._services, ["-m", MODULE, action, name])

    def cancel(self) -> None:
        """End it; what was begun on the machine may go on there."""
        if self._process is not None:
            # The end is told when it has ended; connections to the machine are programs of their own.
            kill_tree(self._process.processId())
            self._process.kill()

    def cleanup(self) -> None:
        """End it without telling."""
        self._onEnd = self._onCheck = _nothing
        self.cancel()

    def _fail(self, process: qt.QProcess) -> None:
        # Other errors are followed by the end, which a process that never began does not have.
        if failedToStart(process):
            reason = _("Python could not be started ({reason}).").format(reason=process.errorString())
            self._onCheck(Check("", reason, _("Restart Slicer.")))
            self._end(process)

    def _end(self, process: qt.QProcess) -> None:
        self._take()
        self._process = None
        process.deleteLater()
        self._onEnd(not failedToStart(process) and exitCode(process) == 0)

    def _take(self) -> None:
        while self._process is not None and self._process.canReadLine():
            check = read_check(self._process.readLine().data().decode("utf-8", errors="replace"))
            if check is not None:
                self._onCheck(check)


def _nothing(*_values: object) -> None:
    """Do nothing."""
