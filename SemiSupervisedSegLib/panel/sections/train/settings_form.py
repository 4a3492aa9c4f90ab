"""The form of all settings of a method, built from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ctk
import qt
from slicer.i18n import tr as _

from ....jobs.entries import MethodEntry
from ....jobs.settings import Setting
from ....jobs.spec import SettingValue
from ....study.errors import UserError

_EDITOR_COLUMN, _RESET_COLUMN = 1, 2
# What most users change, if anything; the others are folded.
_BASIC = {"steps", "labeled_batch", "patch_size", "validation_interval", "preview_interval"}


class SettingsForm:
    """Shows the values of a preset and marks those that the user changed.

    Args:
        container: Empty widget that takes the form.
        onChanged: Function called when the user has changed a value.
    """

    def __init__(self, container: qt.QWidget, onChanged: Callable[[], None]) -> None:
        self._container = container
        self._layout = qt.QVBoxLayout(container)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._onChanged = onChanged
        self._page: qt.QWidget | None = None
        self._method = ""
        self.rows: dict[str, SettingRow] = {}

    def show(self, method: MethodEntry, values: Mapping[str, SettingValue]) -> None:
        """Show the settings of a method; what the user changed stays as long as the method has it."""
        overrides: dict[str, SettingValue] = {}
        if method.id != self._method:
            overrides = self.overrides()
            self._build(method)
        for name, row in self.rows.items():
            row.setBase(values.get(name, row.setting.default))
            if name in overrides:
                row.tryValue(overrides[name])

    def overrides(self) -> dict[str, SettingValue]:
        """Return the values that the user changed, by name."""
        return {name: row.value for name, row in self.rows.items() if row.isChanged}

    def setOverrides(self, values: Mapping[str, SettingValue]) -> None:
        """Change these settings, and give the others the values of the preset."""
        for name, row in self.rows.items():
            row.reset()
            if name in values:
                row.tryValue(values[name])
        self._onChanged()

    def reset(self) -> None:
        """Reset all values to those of the preset."""
        for row in self.rows.values():
            row.reset()
        self._onChanged()

    def _build(self, method: MethodEntry) -> None:
        if self._page is not None:
            self._page.hide()
            self._page.deleteLater()
        self._page = qt.QWidget()
        column = qt.QVBoxLayout(self._page)
        column.setContentsMargins(0, 0, 0, 0)
        basic, expert = qt.QWidget(), ctk.ctkCollapsibleButton()
        expert.setText(_("Expert settings"))
        expert.setProperty("collapsed", True)
        grids = {True: _addGrid(column, basic), False: _addGrid(column, expert)}
        self._method = method.id
        self.rows = {
            setting.name: SettingRow(setting, grids[setting.name in _BASIC], place, self._onChanged)
            for place, setting in enumerate(method.settings)
        }
        self._layout.addWidget(self._page)


class SettingRow:
    """A setting: its title, its editor, and a button that undoes the user's change.

    Attributes:
        setting: Setting from the catalogue.
        editor: Widget of the value.
        value: Displayed value.
    """

    def __init__(self, setting: Setting, grid: qt.QGridLayout, place: int, onChanged: Callable[[], None]) -> None:
        self.setting = setting
        self.value = self._base = setting.default
        self._onChanged = onChanged
        self._quiet = False
        self._shown: tuple[SettingValue, SettingValue] | None = None
        unit = f" ({setting.unit})" if setting.unit else ""
        self.label = qt.QLabel(setting.title + unit)
        self.label.setWordWrap(True)
        self.editor = _makeEditor(setting, self._edited)
        self.resetButton = qt.QToolButton()
        self.resetButton.setText("↺")
        self.resetButton.connect("clicked()", self._resetByUser)
        for column, widget in enumerate((self.label, self.editor, self.resetButton)):
            grid.addWidget(widget, place, column)
        self._show()

    @property
    def isChanged(self) -> bool:
        """Whether the user chose another value than the preset has."""
        return self.value != self._base

    def setBase(self, base: SettingValue) -> None:
        """Take the value of another preset; a value that the user changed stays."""
        if not self.isChanged:
            self.value = base
        self._base = base
        self._show()

    def tryValue(self, value: SettingValue) -> None:
        """Take a value if the setting allows it."""
        try:
            self.value = self.setting.parse(value)
        except UserError:
            return
        self._show()

    def reset(self) -> None:
        """Reset the value to that of the preset."""
        self.value = self._base
        self._show()

    def _resetByUser(self) -> None:
        self.reset()
        self._onChanged()

    def _edited(self) -> None:
        if self._quiet:
            return
        before, problem = self.value, ""
        try:
            self.value = self.setting.parse(_read(self.setting, self.editor))
        except UserError as error:
            problem = str(error)
        self._display(problem)
        if self.value != before:
            self._onChanged()

    def _show(self) -> None:
        """Show the value unless it is shown: a choice in Train refreshes all rows, of which few change."""
        if (self.value, self._base) != self._shown:
            self._display()

    def _display(self, problem: str = "") -> None:
        # With a problem, the next call of _show takes it away.
        self._shown = None if problem else (self.value, self._base)
        self._quiet = True
        _write(self.setting, self.editor, self.value)
        self._quiet = False
        font = self.label.font
        font.setBold(self.isChanged)
        self.label.setFont(font)
        tip = _tooltip(self.setting, self._base)
        for widget in (self.label, self.editor):
            widget.setToolTip(f"{problem}\n{tip}" if problem else tip)
        self.resetButton.setToolTip(_("Back to {value}").format(value=_text(self._base)))
        self.resetButton.setEnabled(self.isChanged)


def _addGrid(column: qt.QVBoxLayout, widget: qt.QWidget) -> qt.QGridLayout:
    grid = qt.QGridLayout(widget)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setColumnStretch(0, 3)
    grid.setColumnStretch(_EDITOR_COLUMN, 2)
    column.addWidget(widget)
    return grid


def _makeEditor(setting: Setting, onEdited: Callable[[], None]) -> qt.QWidget:
    if setting.kind == "boolean":
        editor = qt.QCheckBox()
        editor.connect("toggled(bool)", lambda checked: onEdited())
    elif setting.kind == "choice":
        editor = qt.QComboBox()
        editor.addItems(list(setting.choices))
        editor.connect("currentIndexChanged(int)", lambda index: onEdited())
    elif setting.kind == "integer":
        editor = qt.QSpinBox()
        editor.setRange(int(setting.minimum), int(setting.maximum))
        # Not at every digit: 6000 is no mistake on the way to 60000.
        editor.setKeyboardTracking(False)
        editor.connect("valueChanged(int)", lambda value: onEdited())
    else:
        editor = qt.QLineEdit()
        editor.connect("editingFinished()", onEdited)
    editor.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
    return editor


def _read(setting: Setting, editor: qt.QWidget) -> SettingValue:
    if setting.kind == "boolean":
        return editor.checked
    if setting.kind == "choice":
        return editor.currentText
    if setting.kind == "integer":
        return editor.value
    return editor.text.strip().replace("×", "x")


def _write(setting: Setting, editor: qt.QWidget, value: SettingValue) -> None:
    if setting.kind == "boolean":
        editor.setChecked(value)
    elif setting.kind == "choice":
        editor.setCurrentIndex(setting.choices.index(value))
    elif setting.kind == "integer":
        editor.setValue(value)
    else:
        editor.setText(_text(value))


def _text(value: SettingValue) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tooltip(setting: Setting, base: SettingValue) -> str:
    allowed = _("Allowed: {what}.").format(what=setting.allowed()) if setting.kind != "boolean" else ""
    return "\n".join(filter(None, [setting.help, allowed, _("Preset: {value}").format(value=_text(base))]))
