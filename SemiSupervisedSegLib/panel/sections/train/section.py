"""The section Train: set a round up, start it, follow it, stop it and resume it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from ....jobs.comparison import Comparison
from ....jobs.continuation import is_unfinished
from ....jobs.events import Event
from ....jobs.folder import JobFolder
from ....jobs.outcome import Outcome
from ....jobs.remote.record import goes_on_elsewhere, kept_machine
from ....study.errors import UserError
from ...logic.proposal import propose
from ...logic.state import Action, Run, availability
from ...logic.wording import package_names
from ...run.probe import DeviceProbe
from ...scene.curves import TrainingCurves
from ..buttons import applyAvailability, setEnabledWithReason
from ..section import PanelContext, Section
from .form import TrainingForm
from .live_preview import LivePreview
from .machines import Machines
from .method_comparison import MethodComparison
from .quit_guard import QuitGuard
from .run_control import RunControl
from .run_view import RunView, describeInterruption

if TYPE_CHECKING:
    import qt

# Another program works on one of the newest rounds, if on any.
_LOOKED_AT = 3


class TrainSection(Section):
    """Without a run the form describes the next round; during one, progress, curves and previews are shown.

    Args:
        widget: Root of Train.ui.
        context: What the panel works with.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(widget, context)
        session, runner = self._session, context.runner
        self._services, self._runner = context.services, runner
        self.probe = DeviceProbe(context.services)
        self.form = TrainingForm(self.ui, self._noteForm, context.services)
        self.view = RunView(self.ui)
        self.control = RunControl(self.ui, context, self.form, self.view.say)
        self._quitGuard = QuitGuard(slicer.util.mainWindow(), runner, self._dialogs, self.control.resumeDetached)
        self.preview = LivePreview(session, self._scene, TrainingCurves(), self.ui.curvesButton)
        self.comparison = MethodComparison(self.ui, context, self.form, self.control)
        self.machines = Machines(self.ui, context, self._noteMachines)
        self._folder: Path | None = None
        # Each is followed again once; if that fails the user decides.
        self._followed: set[Path] = set()
        self._connectButtons()
        self._connections = [
            (self.probe.done, self._showDevices),
            (runner.changed, self._noteRun),
            (runner.events, self._take),
            (runner.ended, self._end),
            (session.study_changed, self._showStudy),
            (session.rounds_changed, self._showStudy),
            (session.state_changed, self.refresh),
        ]
        for signal, receiver in self._connections:
            signal.connect(receiver)
        self._noteForm()
        self.lookForPackages()
        self._showStudy()
        self.refresh()

    def enter(self) -> None:
        """Refresh when the module is shown: a package, a graphics card or a machine may have changed."""
        self.lookForPackages()
        self.machines.show()
        self._noteMachines()

    def exit(self) -> None:
        """Give the layout back: Slicer keeps the one that it has when it is closed for its next start."""
        self.preview.hideCurves()

    def cleanup(self) -> None:
        """Stop following; a run continues and is followed again later."""
        for signal, receiver in self._connections:
            signal.disconnect(receiver)
        self.probe.cancel()
        self.preview.cleanup()
        self._quitGuard.cleanup()
        self.machines.cleanup()
        self._runner.stopFollowing()

    def viewSettings(self) -> dict[str, str]:
        """Return the state of this section for a saved scene."""
        return {"method": self.form.method, "preset": self.form.preset}

    def restoreView(self, settings: Mapping[str, str]) -> None:
        """Choose what a scene remembers."""
        self.form.chooseMethod(settings.get("method", ""))
        self.form.choosePreset(settings.get("preset", ""))

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        facts, ui = self._session.facts(), self.ui
        self.form.setAvailable(availability(facts, Action.SET_UP_TRAINING))
        probing = _("Looking already.") if self.probe.running else ""
        setEnabledWithReason(ui.deviceButton, probing, _("Check again which devices can train"))
        applyAvailability(
            ui.installButton,
            Action.INSTALL,
            facts,
            _("Download and install: {packages}").format(packages=", ".join(facts.missing_packages)),
        )
        ui.installPanel.setVisible(bool(facts.missing_packages) and not facts.machine)
        self.view.refreshStop(facts)
        self.control.refresh()
        self.comparison.refresh()
        self.machines.refresh()

    def offerNextRound(self) -> None:
        """Set the next round up to build on the one under review; the user may choose otherwise, and starts it."""
        study, folder = self._session.study, self._session.round
        if study is not None and folder is not None:
            self.form.apply(propose(study, [folder]))
        self.form.start.choose(folder.model if folder is not None and folder.model.is_dir() else None)

    def lookForPackages(self) -> None:
        """Find out what is missing, and what there is to train on once nothing is and a study is open."""
        installer = self._services.installer
        try:
            missing, problem = tuple(installer.missing()), ""
            versions = ", ".join(f"{name} {version}" for name, version in installer.versions().items() if version)
        except UserError as error:
            missing, problem, versions = (), str(error), ""
        text = _("Training on this computer needs packages that are not installed yet: {packages}.")
        self.ui.installLabel.setText(text.format(packages=package_names(missing)))
        self.ui.versionsLabel.setText(_("Installed: {versions}").format(versions=versions))
        self._session.set_facts(missing_packages=missing, device_problem=problem or self._whyNoDevice())
        if not missing and not problem:
            self._lookForDevicesOnce()

    def lookForDevices(self) -> None:
        """Start the probe for devices in the worker's Python."""
        self.probe.start()
        self._session.set_facts(device_problem=self._whyNoDevice())

    def _connectButtons(self) -> None:
        ui = self.ui
        ui.installButton.connect("clicked()", self._install)
        ui.deviceButton.connect("clicked()", self.lookForDevices)

    def _lookForDevicesOnce(self) -> None:
        # It takes seconds of a processor, which a user who only opens the module does not need.
        facts = self._session.facts()
        if facts.study is not None and not facts.missing_packages and not facts.device_problem and not self.form.device:
            self.lookForDevices()

    def _install(self) -> None:
        self._session.set_facts(installing=True)
        try:
            outcome = self._services.installer.install()
        except UserError as error:
            outcome = str(error)
        finally:
            self._session.set_facts(installing=False)
        self.view.say(outcome)
        self.lookForPackages()

    def _showError(self, error: UserError) -> None:
        self.view.say(_(str(error)))

    def _take(self, events: Sequence[Event]) -> None:
        self.view.take(events)
        self.preview.take(events)
        self.comparison.take(events)

    def _end(self, outcome: Outcome) -> None:
        self.view.end(self._runner.folder, outcome)
        self.preview.end()
        self._session.refresh_rounds()
        self.form.endJob()
        self.comparison.chosen.endSpec()
        self.form.expectation.learn(self._runner.folder, self.form.deviceInfo)
        if self._session.folder in self._runner.folder.path.parents:
            # A worker of a study that was moved ends with an error of its own, which says less.
            self._try(self._session.check_in_place)

    def _showStudy(self) -> None:
        wasRunning = self._runner.running
        self.form.showStudy(self._session.study, self._session.rounds())
        self.comparison.showStudy()
        self.view.forgetDeleted()
        self.control.findContinuable()
        self._lookForDevicesOnce()
        self._lookForRun()
        if self._session.folder != self._folder:
            self._folder = self._session.folder
            if not self._runner.running:
                self._sayHowItEnded()
                self.preview.forget()
            elif wasRunning and self._session.folder in self._runner.folder.path.parents:
                # It went on while another study was open, or none, whose choices were shown.
                self._showJob(self._runner.folder)
        self.refresh()

    def _sayHowItEnded(self) -> None:
        name = self._session.facts().resumable
        folder = next((folder for folder in self._session.rounds() if folder.name == name), None)
        self.view.say("" if folder is None else describeInterruption(folder))

    def _lookForRun(self) -> None:
        """Follow a running worker of this study, else find the round that can be resumed."""
        rounds = self._session.rounds()
        if self._runner.running:
            return
        candidates = [*reversed(rounds[-_LOOKED_AT:]), *self.comparison.latest()]
        left = [*rounds, *self.comparison.latest()]
        if any(self._runner.attach(folder) for folder in candidates) or self._followElsewhere(left):
            return
        last = rounds[-1] if rounds and is_unfinished(rounds[-1]) else None
        machine = "" if last is None else kept_machine(last)
        self._session.set_facts(resumable="" if last is None else last.name, resumable_on=machine)

    def _followElsewhere(self, jobs: Sequence[JobFolder]) -> bool:
        """Follow a round or comparison that was left running on another machine, and return whether there is one."""
        left = (folder for folder in jobs if folder.path not in self._followed and goes_on_elsewhere(folder))
        folder = next(left, None)
        if folder is None:
            return False
        self._followed.add(folder.path)
        return self._try(lambda: self._runner.start(folder, machine=kept_machine(folder)))

    def _noteRun(self) -> None:
        runner = self._runner
        if not runner.running:
            self._session.set_facts(run=None)
            return
        facts = self._session.facts()
        if facts.run is None or facts.run.name != runner.folder.name:
            self._showJob(runner.folder)
            self.view.begin(runner.folder, self.form.finishing)
            self.preview.begin(runner.folder)
            # The progress lies below, and settings cannot be changed now.
            for fold in (self.ui.machinesButton, self.ui.advancedButton):
                fold.setProperty("collapsed", True)
        kind = runner.folder.head().kind or "train"
        run = Run(runner.folder.name, kind, runner.stopping, runner.detached, runner.externallyStarted, runner.machine)
        self._session.set_facts(run=run, resumable="", resumable_on="")

    def _showJob(self, folder: JobFolder) -> None:
        """Show in the form what the running round or comparison trains; a damaged job leaves it as it is."""
        with contextlib.suppress(UserError):
            if isinstance(folder, Comparison):
                self.form.place.show(self._runner.machine)
                self._noteForm()
                self.form.showComparison(folder.request())
                self.comparison.chosen.showSpec(folder.request())
            elif folder.head().kind == "train":
                self.form.place.show(self._runner.machine)
                self.form.showJob(folder.spec())

    def _noteMachines(self, added: str = "") -> None:
        self.form.place.fill()
        if added:
            self.form.place.choose(added)
        self._noteForm()

    def _noteForm(self) -> None:
        self._session.set_facts(method=self.form.method, machine=self.form.place.machine)
        self.refresh()

    def _showDevices(self) -> None:
        self.form.showDevices(self.probe.devices)
        self._session.set_facts(device_problem=self._whyNoDevice(answered=True))
        self.refresh()

    def _whyNoDevice(self, answered: bool = False) -> str:
        """Return why no device can train; empty when one can, or before the first probe."""
        return "" if self.form.device else self.probe.whyNone(answered)
