"""Other machines in section Train: they are added, tested, set up and removed."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ....jobs.machines import DEFAULT_FOLDER, Machine, add_machine, find_machine, load_machines, remove_machine
from ....jobs.remote.checks import Check
from ....jobs.slurm_request import SlurmRequest, minutes_of
from ....study.errors import UserError
from ...logic.machine_process import in_words
from ...run.machine_work import MachineWork
from ..buttons import setEnabledWithReason
from ..section import PanelContext, SectionPart, Widgets

_SHOWN_MACHINES = 3


class Machines(SectionPart):
    """The fold "Other machines"; whatever needs the network is done by a process.

    Args:
        ui: Widgets of Train.ui.
        context: What the panel works with.
        onChanged: Function called with the machine that was added, or with an empty name when one was removed.
    """

    def __init__(self, ui: Widgets, context: PanelContext, onChanged: Callable[[str], None]) -> None:
        super().__init__(ui, context)
        self._runner, self._onChanged = context.runner, onChanged
        self._work = MachineWork(context.services, self._note, self._end)
        self._name = ""
        self._machines: dict[str, Machine] = {}
        self._lines: list[str] = []
        self._steps: list[str] = []
        ui.machineFolderEdit.setText(DEFAULT_FOLDER)
        ui.testMachineButton.connect("clicked()", lambda: self._begin("test", _("Testing the connection to {name}...")))
        ui.setUpMachineButton.connect("clicked()", self._setUp)
        ui.removeMachineButton.connect("clicked()", lambda: self._try(self._remove))
        ui.cancelMachineButton.connect("clicked()", self._work.cancel)
        ui.addMachineButton.connect("clicked()", lambda: self._try(self._add))
        ui.machinesList.connect("itemSelectionChanged()", self.refresh)
        ui.machinesList.connect("clicked(QModelIndex)", lambda index: self._fillForm(self._machines[self._selected()]))
        for edit in (ui.machineNameEdit, ui.machineHostEdit, ui.machineFolderEdit, ui.slurmTimeEdit):
            edit.connect("textChanged(QString)", lambda text: self.refresh())
        ui.slurmCheck.connect("toggled(bool)", lambda isCluster: self.refresh())
        self._say("")
        self.show()

    def show(self, name: str = "") -> None:
        """Show the machines that there are now, and select one of them."""
        items: list[Machine] = []
        self._try(lambda: items.extend(load_machines()))
        self._machines = {machine.name: machine for machine in items}
        ui, box, before = self.ui, self.ui.machinesList, name or self._selected()
        box.clear()
        for row, machine in enumerate(items):
            item = qt.QListWidgetItem(f"{machine.name}   {machine.host or _('this computer')}")
            item.setData(qt.Qt.UserRole, machine.name)
            box.addItem(item)
            if machine.name == before or not row:
                box.setCurrentRow(row)
        shownRows = min(len(items), _SHOWN_MACHINES)
        box.setFixedHeight(shownRows * box.sizeHintForRow(0) + 2 * box.frameWidth if items else 0)
        for widget in (box, ui.testMachineButton, ui.setUpMachineButton, ui.removeMachineButton):
            widget.setVisible(bool(items))
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done now and say why the rest cannot."""
        ui, name, isBusy = self.ui, self._selected(), self._work.running
        busy = _("Wait until this is done, or cancel it.") if isBusy else ""
        reason = busy or ("" if name else _("Add a machine first."))
        setEnabledWithReason(ui.testMachineButton, reason, _("Check login, Python, program, graphics card and disk"))
        hint = _("Install this program with PyTorch there, or bring it up to date: {command}")
        hint = hint.format(command=f"semi-supervised-seg machine setup {name}")
        setEnabledWithReason(ui.setUpMachineButton, reason, hint)
        used = _("A round is running on it.") if self._runner.running and self._runner.machine == name else ""
        hint = _("Take it off the list; nothing is removed there")
        setEnabledWithReason(ui.removeMachineButton, reason or used, hint)
        ui.cancelMachineButton.setVisible(isBusy)
        ui.slurmPanel.setVisible(ui.slurmCheck.checked)
        isKnown = ui.machineNameEdit.text.strip() in self._machines
        ui.addMachineButton.setText(_("Change machine") if isKnown else _("Add machine"))
        hint = _("Change the machine of this name") if isKnown else _("Add it to the list")
        setEnabledWithReason(ui.addMachineButton, busy or self._missing(), hint)

    def cleanup(self) -> None:
        """Stop what is going on."""
        self._work.cleanup()

    def _selected(self) -> str:
        item = self.ui.machinesList.currentItem()
        return "" if item is None else item.data(qt.Qt.UserRole)

    def _fillForm(self, machine: Machine) -> None:
        """Show a machine as it was added."""
        ui, slurm = self.ui, machine.slurm
        ui.machineNameEdit.setText(machine.name)
        ui.machineHostEdit.setText(machine.host)
        ui.machineFolderEdit.setText(machine.folder)
        ui.slurmCheck.setChecked(slurm is not None)
        if slurm is not None:
            ui.slurmTimeEdit.setText(slurm.time())
            ui.slurmPartitionEdit.setText(slurm.partition)
            ui.slurmAccountEdit.setText(slurm.account)
            for name, box in self._countBoxes().items():
                box.setValue(getattr(slurm, name))

    def _countBoxes(self) -> dict[str, qt.QSpinBox]:
        """Return the boxes with counts by the names of a request."""
        ui = self.ui
        return {"cards": ui.slurmCardsBox, "cores": ui.slurmCoresBox, "memory": ui.slurmMemoryBox}

    def _missing(self) -> str:
        ui, isCluster = self.ui, self.ui.slurmCheck.checked
        if not ui.machineNameEdit.text.strip():
            return _("Give it a name first.")
        # A computer that can submit to a cluster itself needs no address of it.
        if not ui.machineHostEdit.text.strip() and not isCluster:
            return _("Give its address first.")
        if isCluster and not ui.slurmTimeEdit.text.strip():
            return _("Say first how long a job may take, such as 24:00:00.")
        return "" if ui.machineFolderEdit.text.strip() else _("Name a folder there first.")

    def _begin(self, action: str, title: str) -> None:
        self._name = self._selected()
        self._say(title.format(name=self._name))
        self._work.start(action, self._name)
        self.refresh()

    def _end(self, isReady: bool) -> None:
        text = _("{name} is ready.") if isReady else _("{name} is not ready yet.")
        self._lines[0] = text.format(name=self._name)
        self._showLines()
        self.refresh()

    def _setUp(self) -> None:
        machine = find_machine(self._selected())
        question = _(
            "Install this program with PyTorch in {folder} on {name}? The first time it downloads some gigabytes "
            "there. Nothing outside that folder is changed."
        )
        if self._dialogs.confirm(question.format(folder=machine.folder, name=machine.name)):
            self._begin("setup", _("Setting up {name}..."))

    def _add(self) -> None:
        ui = self.ui
        texts = (edit.text.strip() for edit in (ui.machineNameEdit, ui.machineHostEdit, ui.machineFolderEdit))
        machine = Machine(*texts, slurm=self._request())
        add_machine(machine)
        for edit in (ui.machineNameEdit, ui.machineHostEdit):
            edit.setText("")
        ui.machineFolderEdit.setText(DEFAULT_FOLDER)
        self._say(_("{name} is in the list. Next: Set up, or Test connection.").format(name=machine.name))
        self.show(machine.name)
        self._onChanged(machine.name)

    def _request(self) -> SlurmRequest | None:
        ui = self.ui
        if not ui.slurmCheck.checked:
            return None
        try:
            minutes = minutes_of(ui.slurmTimeEdit.text.strip())
        except ValueError as error:
            raise UserError(_("This is no time: {error}.").format(error=error), _("Write it as 24:00:00.")) from error
        counts = {name: box.value for name, box in self._countBoxes().items()}
        return SlurmRequest(minutes, ui.slurmPartitionEdit.text.strip(), ui.slurmAccountEdit.text.strip(), **counts)

    def _remove(self) -> None:
        machine = find_machine(self._selected())
        question = _("Take {name} off the list? What lies in {folder} there stays.")
        if self._dialogs.confirm(question.format(name=machine.name, folder=machine.folder)):
            remove_machine(machine.name)
            self._say("")
            self.show()
            self._onChanged("")

    def _note(self, check: Check) -> None:
        if check.title:
            # What was done is of no interest any more when its result is tested.
            self._steps = []
            self._lines.append(in_words(check))
        else:
            self._steps.append(in_words(check))
        self._showLines()

    def _say(self, text: str) -> None:
        self._lines, self._steps = [text] if text else [], []
        self._showLines()

    def _showLines(self) -> None:
        self.ui.machineLabel.setText("\n".join(self._lines + self._steps))
        self.ui.machineLabel.setVisible(bool(self._lines))

    def _showError(self, error: UserError) -> None:
        self._say(_(str(error)))
