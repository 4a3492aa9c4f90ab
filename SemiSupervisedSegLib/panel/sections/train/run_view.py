"""How a run gets on: its progress, warnings in words, and a log that can be copied."""

from __future__ import annotations

from collections.abc import Sequence

import qt
from slicer.i18n import tr as _

from ....jobs.comparison import Comparison
from ....jobs.events import Event
from ....jobs.folder import JobFolder
from ....jobs.outcome import Outcome
from ....jobs.remote.record import kept_machine
from ....study.errors import UserError
from ...logic.estimates import rough_duration
from ...logic.progress import RunProgress
from ...logic.round_names import round_title
from ...logic.state import Action, Facts
from ...logic.wording import plain_tooltip
from ..buttons import applyAvailability
from ..section import Widgets

_FULL = 1000
_SHOWN_WARNINGS = 3
_LOG_END = 8 * 1024


class RunView:
    """The widgets of section Train that follow a run; they are touched once for many events.

    Args:
        ui: Widgets of Train.ui.
    """

    def __init__(self, ui: Widgets) -> None:
        self.ui = ui
        self._progress = RunProgress()
        self._isStopping, self._machine = False, ""
        # Of what the sentence below the buttons says how it ended.
        self._ended: JobFolder | None = None
        ui.progressPanel.setVisible(False)
        ui.outcomeLabel.setVisible(False)
        ui.logButton.setVisible(False)
        ui.copyButton.connect("clicked()", self.copyLog)

    def begin(self, folder: JobFolder, finishing: float = 0.0) -> None:
        """Show that a run has begun or is followed again.

        Args:
            folder: Folder of the round.
            finishing: Expected seconds from its last step to its end, 0 when they are not known.
        """
        self._progress, self._isStopping = RunProgress(finishing), False
        self.ui.logEdit.clear()
        self.ui.logEdit.setToolTip(plain_tooltip(str(folder.log)))
        for widget in (self.ui.progressPanel, self.ui.logButton):
            widget.setVisible(True)
        self.say("")
        self.ui.stageLabel.setText(_("{name}: getting ready").format(name=round_title(folder.name)))
        self._showProgress()

    def take(self, events: Sequence[Event]) -> None:
        """Show what happened."""
        stage = self._progress.stage
        for event in events:
            self._progress.take(event)
        lines = self._progress.new_lines()
        if lines:
            self.ui.logEdit.appendPlainText("\n".join(lines))
        if self._progress.stage != stage:
            self._showStage()
        self._showProgress()

    def end(self, folder: JobFolder, outcome: Outcome) -> None:
        """Show that a run has ended."""
        self.ui.progressPanel.setVisible(False)
        text = _describe(folder, outcome)
        details = _lastWords(folder) if outcome.kind == "failed" else ""
        self.ui.logEdit.appendPlainText(f"{text}\n{details}".rstrip())
        self.say(text)
        # Of one that vanished while it ran, that is what there is to say.
        self._ended = folder if folder.exists() else None

    def forgetDeleted(self) -> None:
        """Take the sentence away that says how a run ended which was deleted meanwhile."""
        if self._ended is not None and not self._ended.exists():
            self.say("")

    def say(self, text: str) -> None:
        """Show a sentence below the buttons, or take it away."""
        self._ended = None
        self.ui.outcomeLabel.setText(text)
        self.ui.outcomeLabel.setVisible(bool(text))

    def refreshStop(self, facts: Facts) -> None:
        """Enable the button Stop, which ends a run at once where it is stopping already."""
        isStopping = facts.run is not None and facts.run.stopping
        if isStopping != self._isStopping and facts.run is not None:
            self._isStopping, self._machine = isStopping, facts.run.machine
            self._showStage()
            self._showProgress()
        text, hint = _("Stop"), _("Save what was learned and stop; it can be resumed")
        if isStopping and facts.run.machine:
            text, hint = _("Leave it"), _("Follow it no longer, for example when the machine cannot be reached")
        elif isStopping:
            text, hint = _("End now"), _("Without saving: steps since the last saved state are lost")
        self.ui.stopButton.setText(text)
        applyAvailability(self.ui.stopButton, Action.END_NOW if isStopping else Action.STOP, facts, hint)

    def copyLog(self) -> None:
        """Put the log on the clipboard."""
        qt.QApplication.clipboard().setText(self.ui.logEdit.plainText)

    def _showStage(self) -> None:
        text = _(self._progress.stage)
        if self._isStopping:
            text = _("Stopping: what was learned is being saved.")
            if self._machine:
                text = _("Stopping: what was learned is being saved on {machine}.").format(machine=self._machine)
            # The request to stop may not have reached it.
            text = f"{text} {_(self._progress.notice)}".strip()
        if text:
            self.ui.stageLabel.setText(text)

    def _showProgress(self) -> None:
        progress, bar = self._progress, self.ui.progressBar
        # A new value is drawn at once, for which the system puts all views of Slicer together again; so it is drawn
        # with everything else that changes here.
        bar.setUpdatesEnabled(False)
        # A bar without a maximum moves by itself: the progress is not known.
        bar.setMaximum(_FULL if progress.fraction is not None else 0)
        # At 0 Qt's style does not end that movement, though it is not seen any more.
        bar.setValue(max(1, round(_FULL * (progress.fraction or 0.0))))
        bar.setFormat(progress.count)
        bar.setUpdatesEnabled(True)
        parts = [progress.count]
        if progress.seconds_left and not self._isStopping:
            parts.append(_("{time} left").format(time=rough_duration(progress.seconds_left)))
        if progress.mean_dice is not None:
            parts.append(_("validation Dice {dice:.2f}").format(dice=progress.mean_dice))
        if progress.flat_since:
            parts.append(_("not risen since step {step}").format(step=progress.flat_since))
        self.ui.detailLabel.setText(", ".join(filter(None, parts)) or progress.device)
        self.ui.detailLabel.setToolTip(progress.device)
        warnings = progress.warnings[-_SHOWN_WARNINGS:]
        self.ui.warningsLabel.setText("\n".join(_("Note: {text}").format(text=_(text)) for text in warnings))
        self.ui.warningsLabel.setVisible(bool(warnings))


def describeInterruption(folder: JobFolder) -> str:
    """Describe how a round ended while this panel was not open."""
    try:
        status = folder.status()
    except UserError as error:
        return str(error)
    machine = kept_machine(folder)
    if machine and status.state not in ("failed", "cancelled"):
        text = _("{name} runs on {machine}, or was stopped there. Resume follows it.")
        return text.format(name=round_title(folder.name), machine=machine)
    if status.state in ("failed", "cancelled") and status.message:
        return _("{name}: {message}").format(name=round_title(folder.name), message=_(status.message))
    return _("{name} broke off. Resume continues from its last checkpoint.").format(name=round_title(folder.name))


def _lastWords(folder: JobFolder) -> str:
    try:
        return folder.log.read_bytes()[-_LOG_END:].decode("utf-8", errors="replace")
    except OSError:
        return ""


def _describe(folder: JobFolder, outcome: Outcome) -> str:
    name = round_title(folder.name)
    if outcome.kind == "stopped" and isinstance(folder, Comparison):
        machine = kept_machine(folder)
        text = _("{name} was stopped on {machine}. Resume it under Compare methods.") if machine else ""
        text = text or _("{name} was stopped. Resume it under Compare methods.")
        return text.format(name=name, machine=machine)
    if outcome.kind == "stopped" and outcome.step:
        return _("{name} was stopped at step {step}. Resume continues from there.").format(name=name, step=outcome.step)
    if outcome.kind == "stopped":
        return _("{name} was stopped. Resume continues where it was.").format(name=name)
    if outcome.kind == "failed":
        text = _("{name} did not finish. {message} {advice}")
        return text.format(name=name, message=_(outcome.message), advice=_(outcome.advice)).strip()
    if isinstance(folder, Comparison):
        return _("{name} is finished. The table under Compare methods has its scores.").format(name=name)
    dice = (outcome.result.get("mean_dice") or {}).get("final")
    if dice is None:
        return _("{name} is finished.").format(name=name)
    return _("{name} is finished: mean Dice of the validation cases {dice:.2f}.").format(name=name, dice=dice)
