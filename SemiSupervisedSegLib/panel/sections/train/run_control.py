"""What starts and stops a worker: for a new round, a stopped one, or a finished one that is trained for longer."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from ....jobs.continuation import make_continued_spec, trained_steps
from ....jobs.folder import JobFolder
from ....jobs.job_specs import make_training_spec
from ....jobs.remote.record import kept_machine
from ....jobs.rounds import next_round
from ....jobs.spec import JobSpec
from ....study.errors import UserError
from ...logic.round_names import round_title
from ...logic.state import Action, availability
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets
from .form import TrainingForm

_LENGTHENED = 2
_LONGEST = 1_000_000


class RunControl(SectionPart):
    """What the buttons Start, Resume, Continue and Stop do.

    Args:
        ui: Widgets of Train.ui.
        context: What the panel works with.
        form: What the next round is to be.
        say: Function that shows a sentence below the buttons.
    """

    def __init__(self, ui: Widgets, context: PanelContext, form: TrainingForm, say: Callable[[str], None]) -> None:
        super().__init__(ui, context)
        self._runner, self._form, self._say = context.runner, form, say
        self._continuable = ""
        ui.continueSpin.setRange(1, _LONGEST)
        ui.startButton.connect("clicked()", self._start)
        ui.stopButton.connect("clicked()", self._stop)
        ui.resumeButton.connect("clicked()", lambda: self._try(self._resume))
        ui.continueButton.connect("clicked()", lambda: self._try(self._continue))

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts, ui = self._session.facts(), self.ui
        applyAvailability(ui.startButton, Action.START, facts, _("Train a new round"))
        resumed = round_title(facts.resumable)
        applyAvailability(ui.resumeButton, Action.RESUME, facts, _("Resume {name}").format(name=resumed))
        hint = _("Train a new round with everything that {name} has learned; {name} stays as it is").format(
            name=facts.continuable
        )
        applyAvailability(ui.continueButton, Action.CONTINUE, facts, hint)
        setEnabledWithReason(ui.continueSpin, availability(facts, Action.CONTINUE), _("Steps in all"))
        ui.continuePanel.setVisible(bool(facts.continuable) and facts.run is None)

    def findContinuable(self) -> None:
        """Find out whether the training of the round under review can be continued."""
        folder = self._session.round
        steps = 0 if folder is None else trained_steps(folder)
        name = folder.name if steps else ""
        if steps and name != self._continuable:
            self.ui.continueLabel.setText(_("Train {name} for longer, up to").format(name=name))
            self.ui.continueSpin.setMinimum(steps + 1)
            self.ui.continueSpin.setValue(_LENGTHENED * steps)
        self._continuable = name
        self._session.set_facts(continuable=name)

    def resumeDetached(self) -> None:
        """Resume the round that was stopped last in a process that outlives Slicer; raises UserError."""
        self._runner.start(self._runner.folder, detached=True)

    def mayStart(self) -> bool:
        """Return whether the user wants to train on what is saved, which is asked only where something is not."""
        study = self._session.study
        unsaved = [] if study is None else self._scene.unsavedCases(study)
        question = _("The annotation of {cases} is not saved yet and will not be learned from. Start nevertheless?")
        return not unsaved or self._dialogs.confirm(question.format(cases=", ".join(unsaved)))

    def launch(self, folder: JobFolder, machine: str = "") -> None:
        """Start the worker of a job, on another machine if one is named; raises UserError."""
        try:
            self._runner.start(folder, detached=self.ui.detachedCheck.checked, machine=machine)
        finally:
            self._session.refresh_rounds()

    def resume(self, folder: JobFolder) -> None:
        """Start the worker of a stopped job again, or follow the one that runs already; raises UserError."""
        self._session.check_in_place()
        # Another program may have been quicker.
        if not self._runner.attach(folder):
            self.launch(folder, kept_machine(folder))

    def check(self, action: Action) -> None:
        """Raise UserError where an action is not possible now, or the study is gone."""
        reason = availability(self._session.facts(), action)
        if reason:
            raise UserError(reason)
        self._session.check_in_place()

    def _start(self) -> None:
        if self.mayStart():
            self._try(self._startRound)

    def _startRound(self) -> None:
        self.check(Action.START)
        form, machine = self._form, self._form.place.machine
        self._begin(
            make_training_spec(
                self._session.study,
                form.method,
                form.preset,
                form.settings.overrides(),
                # Which ones another machine has, it finds out itself.
                device="auto" if machine else form.device,
                warm_start=form.start.model,
                watched_case=self._session.case_id,
            ),
            machine,
        )

    def _continue(self) -> None:
        self.check(Action.CONTINUE)
        machine = self._form.place.machine
        device = "auto" if machine else self._form.device
        self._begin(make_continued_spec(self._session.round, self.ui.continueSpin.value, device), machine)

    def _begin(self, spec: JobSpec, machine: str = "") -> None:
        folder = next_round(self._session.study.folder, spec.method)
        folder.write_spec(spec)
        self.launch(folder, machine)

    def _resume(self) -> None:
        name = self._session.facts().resumable
        self.resume(next(folder for folder in self._session.rounds() if folder.name == name))

    def _stop(self) -> None:
        if not self._runner.stopping:
            self._try(self._runner.stop)
            return
        question = _("End {name} now? What it learned since it last saved is lost.")
        if self._runner.machine:
            question = _("Follow {name} no longer? If {machine} has not heard of the stop, it goes on there.")
        texts = {"name": round_title(self._runner.folder.name), "machine": self._runner.machine}
        if self._dialogs.confirm(question.format(**texts)):
            self._try(self._runner.kill)

    def _showError(self, error: UserError) -> None:
        self._say(_(str(error)))
