"""The question when Slicer is closed while its worker runs, and the end of the worker with a sign of life."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ....jobs.outcome import Outcome
from ....study.errors import UserError
from ...logic.round_names import round_title
from ...run.runner import Runner
from ...services import Dialogs

_STOP, _BACKGROUND = range(2)


class QuitGuard:
    """Keeps Slicer's window open until its worker has saved what it learned, or until the user decides otherwise.

    A worker that continues when Slicer quits, or that another program started, holds nothing up.

    Args:
        window: Main window, None without one.
        runner: Runner of the worker.
        dialogs: Dialogs to ask with.
        restart: Function that resumes the stopped job in a process that outlives Slicer.
    """

    def __init__(
        self, window: qt.QWidget | None, runner: Runner, dialogs: Dialogs, restart: Callable[[], None]
    ) -> None:
        self._window, self._runner, self._dialogs, self._restart = window, runner, dialogs, restart
        self._filter = _CloseFilter(self._mayClose)
        self._waiting: qt.QProgressDialog | None = None
        self._choice: int | None = None
        if window is not None:
            window.installEventFilter(self._filter)
        runner.ended.connect(self._ended)

    def cleanup(self) -> None:
        """Let the window close as before."""
        if self._window is not None:
            self._window.removeEventFilter(self._filter)
        self._runner.ended.disconnect(self._ended)
        self._endWaiting()

    def _mayClose(self) -> bool:
        runner = self._runner
        if not runner.running or runner.detached or runner.externallyStarted:
            return True
        if self._waiting is None:
            question = _("{name} is not finished. Slicer can close once it has saved what it learned.")
            choices = [_("Stop it; it can be resumed later"), _("Continue in the background"), _("Do not close Slicer")]
            choice = self._dialogs.chooseButton(question.format(name=round_title(runner.folder.name)), choices)
            if choice in (_STOP, _BACKGROUND) and runner.running:
                self._stop(choice)
        # It may have ended while the question was open.
        return not runner.running

    def _stop(self, choice: int) -> None:
        try:
            self._runner.stop()
        except UserError as error:
            self._dialogs.showError(error)
            return
        self._choice = choice
        name = round_title(self._runner.folder.name)
        text = _("{name} saves what it has learned. Slicer closes then.").format(name=name)
        self._waiting = qt.QProgressDialog(text, _("Do not close Slicer"), 0, 0, self._window)
        self._waiting.setMinimumDuration(0)
        self._waiting.setWindowModality(qt.Qt.ApplicationModal)
        self._waiting.connect("canceled()", self._endWaiting)
        self._waiting.show()

    def _ended(self, outcome: Outcome) -> None:
        choice = self._choice
        if choice is None:
            return
        self._endWaiting()
        # Not within the signal: others are told of the end first, and then the window and they may go away.
        qt.QTimer.singleShot(0, lambda: self._close(outcome, choice))

    def _close(self, outcome: Outcome, choice: int) -> None:
        if outcome.kind == "stopped" and choice == _BACKGROUND:
            try:
                self._restart()
            except UserError as error:
                self._dialogs.showError(error)
                return
        self._window.close()

    def _endWaiting(self) -> None:
        window, self._waiting, self._choice = self._waiting, None, None
        if window is not None:
            # A dialog that is closed says that it was cancelled.
            window.blockSignals(True)
            window.close()
            window.deleteLater()


class _CloseFilter(qt.QObject):
    """Refuses to close the filtered window when the function says so."""

    def __init__(self, mayClose: Callable[[], bool]) -> None:
        super().__init__()
        self._mayClose = mayClose

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        """Handle an event and let most pass (Qt)."""
        if event.type() != qt.QEvent.Close or self._mayClose():
            return False
        event.ignore()
        return True
