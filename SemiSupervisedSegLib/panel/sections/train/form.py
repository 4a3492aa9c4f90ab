"""What to train: method, preset, device, start, settings, and about what that takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ....jobs.catalogue import load_catalogue
from ....jobs.comparison import ComparisonSpec
from ....jobs.folder import JobFolder
from ....jobs.job_specs import DEFAULT_PRESET
from ....jobs.spec import JobSpec, SettingValue
from ....planning.round_plan import RoundPlan
from ....study.errors import UserError
from ....study.model import Study
from ...logic.comparing import method_that_shows
from ...logic.devices import DeviceInfo, problems_in_words
from ...logic.estimates import describe_estimate
from ...logic.proposal import Proposal, propose, recommend
from ...services import Services
from ..buttons import setEnabledWithReason
from ..section import Widgets
from .choice_boxes import chooseData, markedTitle, needsInWords
from .expectation import Expectation
from .place_box import PlaceBox
from .settings_form import SettingsForm
from .start_box import StartBox

_QUICK_PRESET = "quick"
_IS_RECOMMENDED = qt.Qt.UserRole + 1


class TrainingForm:
    """The widgets of section Train that say what the next round is to be.

    Args:
        ui: Widgets of Train.ui.
        onChanged: Function called when the user has changed a choice.
        services: The world outside: dialogs and preferences.

    Attributes:
        settings: Form of the settings.
        start: What the next round begins with.
        expectation: Times of the rounds of this study.
        finishing: Expected seconds from the last step of the next round to its end, 0 when they are not known.
        place: Where the next round runs.
    """

    def __init__(self, ui: Widgets, onChanged: Callable[[], None], services: Services) -> None:
        self.ui = ui
        self._onChanged = onChanged
        self._study: Study | None = None
        self._devices: tuple[DeviceInfo, ...] = ()
        self.finishing = 0.0
        self._startBefore: Path | None = None
        # What the user had chosen before a comparison was shown, and whether: the preset, and anything.
        self._own: tuple[Proposal, bool, bool] | None = None
        self.expectation = Expectation(services.settings)
        self.start = StartBox(ui.startBox, services.dialogs, self._changed)
        self.place = PlaceBox(ui, services.settings, self._changed)
        self._presetChosen = False
        self._isChosen = self._isApplying = self._isShowingJob = False
        self._recommended = ""
        self.settings = SettingsForm(ui.settingsContainer, self._chosen)
        for entry in load_catalogue().methods.values():
            ui.methodBox.addItem(_(entry.title), entry.id)
        for preset in load_catalogue().presets.values():
            ui.presetBox.addItem(_(preset.title), preset.id)
        self.showStudy(None, [])
        self.choosePreset(DEFAULT_PRESET)
        for box in (ui.presetBox, ui.deviceBox):
            box.connect("currentIndexChanged(int)", lambda index: self._changed())
        ui.methodBox.connect("currentIndexChanged(int)", lambda index: self._chosen())
        ui.presetBox.connect("activated(int)", self._notePreset)
        ui.resetButton.connect("clicked()", self.settings.reset)
        self.refresh()

    @property
    def method(self) -> str:
        """Id of the chosen method."""
        return self.ui.methodBox.currentData

    @property
    def preset(self) -> str:
        """Id of the chosen preset."""
        return self.ui.presetBox.currentData

    @property
    def device(self) -> str:
        """The chosen device as jobs name it, empty before one is known."""
        return self.ui.deviceBox.currentData or ""

    @property
    def deviceInfo(self) -> DeviceInfo | None:
        """What is known of the chosen device, None before one is known, and for those of another machine."""
        known = () if self.place.machine else self._devices
        return next((info for info in known if info.name == self.device), None)

    def chooseMethod(self, name: str) -> None:
        """Choose a method by its id; nothing happens when there is none."""
        chooseData(self.ui.methodBox, name)

    def choosePreset(self, name: str) -> None:
        """Choose a preset by its id; nothing happens when there is none."""
        chooseData(self.ui.presetBox, name)

    def showStudy(self, study: Study | None, rounds: list[JobFolder]) -> None:
        """Show another study, or a change of it or of its rounds.

        What the next round could be is proposed for another study, and as long as the user has chosen nothing else.
        """
        isOther = study is not None and (self._study is None or self._study.folder != study.folder)
        self._study = study
        self.expectation.showStudy(study, rounds)
        if isOther:
            # Those of another study were not meant for this one.
            self.settings.reset()
            self._isShowingJob = False
        if study is not None and (isOther or not self._isChosen):
            self.apply(propose(study, rounds))
        self._markRecommended()
        self.start.show(study, rounds)
        self.refresh()

    def showJob(self, spec: JobSpec) -> None:
        """Show what a running round trains, on what, and from what; `endJob` gives the user's own start back."""
        self._startBefore, self._isShowingJob = self.start.model, True
        self.apply(Proposal(spec.method, "", spec.preset, spec.settings))
        chooseData(self.ui.deviceBox, spec.device)
        self.start.choose(None if spec.warm_start is None else Path(spec.warm_start))
        self.refresh()

    def showComparison(self, spec: ComparisonSpec) -> None:
        """Show preset and changed settings of a running comparison; `endJob` gives the user's own choice back."""
        own = Proposal(self.method, "", self.preset, self.settings.overrides()), self._presetChosen, self._isChosen
        # The chosen method may not have all of these settings, and could not show them.
        self.apply(Proposal(method_that_shows(spec, self.method), "", spec.preset, spec.settings))
        # Nothing is proposed in its place while it runs.
        self._own, self._isChosen = own, True

    def endJob(self) -> None:
        """Choose again what was chosen before: of a round its start, of a comparison all unless that was changed."""
        if self._isShowingJob:
            self._isShowingJob = False
            self.start.choose(self._startBefore)
        if self._own is not None:
            own, isPresetChosen, isChosen = self._own
            self.apply(own)
            self._presetChosen, self._isChosen = isPresetChosen, isChosen
            # They may have been found only now.
            self.showDevices(self._devices)

    def apply(self, proposal: Proposal | None) -> None:
        """Choose what is proposed; the user may choose otherwise."""
        self._isChosen, self._own = False, None
        if proposal is None:
            return
        self._isApplying = True
        self.chooseMethod(proposal.method)
        if proposal.preset:
            self.choosePreset(proposal.preset)
            self._presetChosen = True
            self.settings.setOverrides(proposal.settings)
        self._isApplying = False

    def choose(self, proposal: Proposal) -> None:
        """Choose what the user has decided for; later proposals do not change it."""
        self.apply(proposal)
        self._isChosen = True

    def expectedSeconds(self, method: str) -> float | None:
        """Return the expected time of a training of any method with what is chosen beside it, None when not known."""
        entry, changed = load_catalogue().method(method), self.settings.overrides()
        known = {name: value for name, value in changed.items() if entry.has(name)}
        try:
            plan = self.expectation.plan(method, self.preset, known)
        except UserError:
            return None
        return self.expectation.estimate(method, plan, self.deviceInfo).seconds

    def showDevices(self, devices: tuple[DeviceInfo, ...]) -> None:
        """Offer devices; the chosen one stays when it is still there."""
        self._devices = devices
        chosen, box = self.device, self.ui.deviceBox
        before = box.blockSignals(True)
        box.clear()
        for info in devices:
            if not info.problem:
                box.addItem(info.short_title, info.name)
        chooseData(box, chosen)
        box.blockSignals(before)
        if devices and all(info.is_processor or info.problem for info in devices) and not self._presetChosen:
            self.choosePreset(_QUICK_PRESET)
        self._changed()

    def setAvailable(self, reason: str) -> None:
        """Enable the form, or show why it is disabled."""
        ui = self.ui
        hints = {
            ui.methodBox: _(load_catalogue().method(self.method).paper),
            ui.presetBox: _(load_catalogue().preset(self.preset).help),
            ui.deviceBox: ui.deviceBox.currentText,
            ui.startBox: _("Whether the new round begins with what an earlier one has learned"),
            ui.settingsContainer: "",
            ui.detachedCheck: _("Else it saves what it learned and stops with Slicer; resume or follow it later"),
        }
        for widget, hint in hints.items():
            setEnabledWithReason(widget, reason, hint)
        self.place.setAvailable(reason)
        changed = reason or ("" if self.settings.overrides() else _("You have changed no setting."))
        setEnabledWithReason(ui.resetButton, changed, _("Forget every value that you changed"))

    def refresh(self) -> None:
        """Show what belongs to the present choice."""
        entry, ui = load_catalogue().method(self.method), self.ui
        ui.methodLabel.setText(f"{_(entry.summary)} {self._recommendation()}".strip())
        ui.needsLabel.setText(needsInWords(self._study, entry))
        ui.startLabel.setText(_(self.start.inWords()))
        ui.startLabel.setVisible(bool(ui.startLabel.text))
        try:
            self.settings.show(entry, self._base())
            problem = ""
        except UserError as error:
            problem = str(error)
        changed = len(self.settings.overrides())
        ui.advancedButton.setText(
            _("Advanced settings ({count} changed)").format(count=changed) if changed else _("Advanced settings")
        )
        ui.estimateLabel.setText(problem or self._describeEstimate())

    def _markRecommended(self) -> None:
        best = None if self._study is None else recommend(self._study)
        self._recommended = "" if best is None else best.reason
        for index, entry in enumerate(load_catalogue().methods.values()):
            isBest = best is not None and entry.id == best.method
            self.ui.methodBox.setItemText(index, markedTitle(entry.title, isBest))
            self.ui.methodBox.setItemData(index, isBest, _IS_RECOMMENDED)

    def _recommendation(self) -> str:
        if not self.ui.methodBox.itemData(self.ui.methodBox.currentIndex, _IS_RECOMMENDED):
            return ""
        return _("Recommended, because {reason}.").format(reason=_(self._recommended))

    def _resolved(self, overrides: dict[str, SettingValue]) -> dict[str, SettingValue]:
        return self._expected(overrides).settings

    def _base(self) -> dict[str, SettingValue]:
        """Return the value of every setting before the user's changes."""
        decisive = self._decisive()
        plain = self._resolved({})
        return self._resolved(decisive) | {name: plain[name] for name in decisive}

    def _decisive(self) -> dict[str, SettingValue]:
        # These decide what the other settings are where the user does not say it.
        changed, entry, decisive = self.settings.overrides(), load_catalogue().method(self.method), {}
        for name in {"fidelity", "dimension"} & set(changed):
            # The form may still be that of another method, which can follow other code.
            with contextlib.suppress(UserError):
                decisive |= entry.check({name: changed[name]})
        return decisive

    def _describeEstimate(self) -> str:
        info = self.deviceInfo
        try:
            plan = self._expected(self.settings.overrides())
        except UserError as error:
            return str(error)
        expected = self.expectation.estimate(self.method, plan, info)
        self.finishing = expected.finishing
        text = describe_estimate(expected, info)
        if info is None:
            return text
        # There may be a card that this PyTorch cannot use.
        reasons = problems_in_words(self._devices) if info.is_processor else ""
        return " ".join(filter(None, (_(info.in_words()), _(reasons), _(text))))

    def _expected(self, overrides: dict[str, SettingValue]) -> RoundPlan:
        return self.expectation.plan(self.method, self.preset, overrides)

    def _notePreset(self, index: int) -> None:
        self._presetChosen = self._isChosen = True

    def _chosen(self) -> None:
        if not self._isApplying:
            self._isChosen = True
        self._changed()

    def _changed(self) -> None:
        self.refresh()
        self._onChanged()
