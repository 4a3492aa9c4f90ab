"""Where the next round runs: this computer, or another machine by its name."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ....jobs.machines import load_machines
from ....study.errors import UserError
from ...services import Preferences
from ..buttons import setEnabledWithReason
from ..section import Widgets

_CHOSEN = "SemiSupervisedSeg/RunsOn"
_ANOTHER = " another"
_KINDS = {"ssh": "SSH", "slurm": "Slurm"}


class PlaceBox:
    """The combo box *Runs on* and what depends on it; its last entry leads to where machines are added.

    Args:
        ui: Widgets of Train.ui.
        preferences: Preferences of this computer, which keep the choice.
        onChanged: Function called when another place was chosen.
    """

    def __init__(self, ui: Widgets, preferences: Preferences, onChanged: Callable[[], None]) -> None:
        self.ui, self._preferences, self._onChanged = ui, preferences, onChanged
        self._machine = str(preferences.value(_CHOSEN) or "")
        # It goes away with the widgets.
        self._scrolling = qt.QTimer(ui.placeBox)
        self._scrolling.setSingleShot(True)
        self._scrolling.connect("timeout()", self._showMachines)
        self.fill()
        ui.placeBox.connect("activated(int)", self._choose)

    @property
    def machine(self) -> str:
        """The name of the other machine, empty for this computer."""
        return self._machine

    def fill(self) -> None:
        """Offer the machines that there are now; the chosen one stays when it is still there."""
        try:
            machines = load_machines()
        except UserError:
            # The fold with the machines says what is wrong.
            machines = ()
        box = self.ui.placeBox
        box.clear()
        box.addItem(_("This computer"), "")
        for machine in machines:
            box.addItem(f"{machine.name} ({_KINDS[machine.kind]})", machine.name)
        box.addItem(_("Another machine..."), _ANOTHER)
        self.show(self._machine)

    def choose(self, machine: str) -> None:
        """Choose a machine by its name for this and later rounds."""
        self._preferences.setValue(_CHOSEN, machine)
        self.show(machine)

    def show(self, machine: str) -> None:
        """Show a machine by its name, this computer where it is not in the list."""
        box = self.ui.placeBox
        box.setCurrentIndex(max(0, box.findData(machine)))
        self._machine = box.currentData
        self._refresh()

    def setAvailable(self, reason: str) -> None:
        """Enable the choice, or show why it is disabled."""
        setEnabledWithReason(self.ui.placeBox, reason, _("The computer that trains"))

    def _choose(self, index: int) -> None:
        chosen = self.ui.placeBox.itemData(index)
        if chosen == _ANOTHER:
            self.show(self._machine)
            self.ui.machinesButton.setProperty("collapsed", False)
            # Where it lies is known when Qt has made room for what was unfolded.
            self._scrolling.start(0)
            return
        self.choose(chosen)
        self._onChanged()

    def _showMachines(self) -> None:
        """Scroll the fold of machines into view."""
        place = self.ui.addMachineButton.parent()
        while place is not None and not isinstance(place, qt.QScrollArea):
            place = place.parent()
        if place is not None:
            place.ensureWidgetVisible(self.ui.addMachineButton)

    def _refresh(self) -> None:
        ui, isHere = self.ui, not self._machine
        # It takes the best device that it has, and does not stop with Slicer.
        for widget in (ui.deviceCaption, ui.deviceBox, ui.deviceButton, ui.detachedCheck):
            widget.setVisible(isHere)
        text = _(
            "Images go to {machine} without names of patients, cases or sites, and results come back. Training goes on "
            "there when Slicer is closed."
        )
        ui.placeLabel.setText("" if isHere else text.format(machine=self._machine))
        ui.placeLabel.setVisible(not isHere)
