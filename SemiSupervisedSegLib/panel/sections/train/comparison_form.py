"""What is to be compared: the ticked methods, and how much is trained of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from ....jobs.comparison import ComparisonSpec
from ....jobs.comparison_specs import annotated_cases, usual_folds
from ....study.model import Study
from ...logic.comparing import Choice, Extent, choices, read_label_counts
from ...logic.wording import plain_tooltip
from ..buttons import setEnabledWithReason
from ..section import Widgets
from .choice_boxes import markedTitle

_SHOWN_METHODS = 6
# Here they share one processor or card; elsewhere each that runs is followed by a connection of its own.
_AT_ONCE_HERE, _AT_ONCE_ELSEWHERE = 4, 50


class ComparisonForm:
    """The widgets of the fold "Compare methods" that say what is compared.

    Args:
        ui: Widgets of Train.ui.
        onChanged: Function called when the user has changed something.
    """

    def __init__(self, ui: Widgets, onChanged: Callable[[], None]) -> None:
        self.ui, self._onChanged = ui, onChanged
        self._study: Study | None = None
        self._choices: tuple[Choice, ...] = ()
        self._machine = ""
        # Until then there are as many as usual for the images that are annotated by now.
        self._foldsChosen = False
        # That of the time before a running comparison was shown.
        self._foldsChosenBefore: bool | None = None
        self._isShowing = False
        rowHeight = ui.compareTable.verticalHeader().defaultSectionSize
        ui.compareMethodsList.setMaximumHeight(_SHOWN_METHODS * rowHeight)
        ui.compareMethodsList.connect("itemChanged(QListWidgetItem*)", lambda item: self._changed())
        ui.compareFoldsBox.connect("valueChanged(int)", lambda value: self._chooseFolds())
        for box in (ui.compareRepetitionsBox, ui.compareAtOnceBox):
            box.connect("valueChanged(int)", lambda value: self._changed())
        ui.compareLabelsEdit.connect("textChanged(QString)", lambda text: self._changed())

    def methods(self) -> tuple[str, ...]:
        """Return the ids of the ticked methods."""
        items = ((choice, self.ui.compareMethodsList.item(row)) for row, choice in enumerate(self._choices))
        return tuple(choice.method for choice, item in items if item.checkState() == qt.Qt.Checked)

    def extent(self) -> Extent:
        """Return how much is trained of each method; raises UserError where the numbers of images cannot be used."""
        ui, folds = self.ui, self.ui.compareFoldsBox.value
        text = ui.compareLabelsEdit.text
        counts = () if self._study is None else read_label_counts(text, self._study, folds)
        return Extent(folds, ui.compareRepetitionsBox.value, counts, ui.compareAtOnceBox.value, self._machine)

    def showStudy(self, study: Study | None) -> None:
        """Show what can be compared on another study, or after a change of it."""
        if study == self._study:
            return
        isOther = study is None or self._study is None or study.folder != self._study.folder
        self._fillMethods(study, () if isOther else self.methods())
        self._study = study
        if isOther:
            # Numbers of images of another study were not meant for this one.
            self._set(self.ui.compareLabelsEdit.setText, "")
            self._foldsChosen, self._foldsChosenBefore = False, None
        self._limitFolds()

    def showSpec(self, spec: ComparisonSpec) -> None:
        """Show what a running comparison compares; `endSpec` lets the folds follow the annotations again."""
        ui = self.ui
        self._foldsChosenBefore, self._foldsChosen = self._foldsChosen, True
        self._set(self._tick, spec.methods)
        self._set(ui.compareFoldsBox.setValue, len(spec.folds))
        self._set(ui.compareRepetitionsBox.setValue, len(spec.seeds))
        self._set(ui.compareLabelsEdit.setText, ", ".join(map(str, spec.label_counts)))
        self._set(ui.compareAtOnceBox.setValue, spec.at_once)
        self._onChanged()

    def endSpec(self) -> None:
        """Let the folds follow what is annotated again unless the user had chosen them."""
        if self._foldsChosenBefore is not None:
            self._foldsChosen, self._foldsChosenBefore = self._foldsChosenBefore, None

    def setPlace(self, machine: str) -> None:
        """Offer as many trainings at the same time as suits this computer, or another machine."""
        self._machine = machine
        self._set(self.ui.compareAtOnceBox.setMaximum, _AT_ONCE_ELSEWHERE if machine else _AT_ONCE_HERE)

    def setAvailable(self, reason: str) -> None:
        """Enable the form, or show why it is disabled."""
        ui = self.ui
        hints = {
            ui.compareFoldsBox: _("Groups of annotated images that are held back in turn"),
            ui.compareRepetitionsBox: _(
                "How often each training is repeated with other random numbers (seeds); once is enough for a first look"
            ),
            ui.compareLabelsEdit: _(
                "From how many annotated images the methods learn, such as 2, 4 to compare them with few and with "
                "more; the others count as unlabeled. Empty: from all"
            ),
            ui.compareAtOnceBox: _(
                "Trainings that run beside each other. They share the card of this computer or of a workstation; on a "
                "cluster each has its own"
            ),
        }
        setEnabledWithReason(ui.compareMethodsList, reason)
        for widget, hint in hints.items():
            setEnabledWithReason(widget, reason, hint)

    def _set(self, change: Callable[..., object], value: object) -> None:
        """Change a widget in the place of the user, who has not changed anything."""
        self._isShowing = True
        change(value)
        self._isShowing = False

    def _changed(self) -> None:
        if not self._isShowing:
            self._onChanged()

    def _chooseFolds(self) -> None:
        if not self._isShowing:
            self._foldsChosen = True
            self._onChanged()

    def _tick(self, methods: Sequence[str]) -> None:
        for row, choice in enumerate(self._choices):
            isTicked = choice.method in methods
            self.ui.compareMethodsList.item(row).setCheckState(qt.Qt.Checked if isTicked else qt.Qt.Unchecked)

    def _fillMethods(self, study: Study | None, ticked: Sequence[str]) -> None:
        self._choices = () if study is None else choices(study)
        box = self.ui.compareMethodsList
        before = box.blockSignals(True)
        box.clear()
        for choice in self._choices:
            title = markedTitle(choice.title, choice.is_recommended)
            item = qt.QListWidgetItem(title)
            usable = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable
            item.setFlags(usable if not choice.problem else qt.Qt.NoItemFlags)
            isTicked = choice.method in ticked if ticked else choice.is_proposed
            item.setCheckState(qt.Qt.Checked if isTicked and not choice.problem else qt.Qt.Unchecked)
            # A long title is cut off in a narrow panel.
            item.setToolTip(plain_tooltip(f"{title}. {_(choice.problem or choice.summary)}"))
            box.addItem(item)
        box.blockSignals(before)

    def _limitFolds(self) -> None:
        count = 0 if self._study is None else len(annotated_cases(self._study))
        box = self.ui.compareFoldsBox
        before = box.blockSignals(True)
        box.setRange(2, max(2, count))
        if not self._foldsChosen:
            box.setValue(usual_folds(count))
        box.blockSignals(before)
