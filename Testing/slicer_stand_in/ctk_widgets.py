"""Stand-ins for the widgets of CTK that a panel uses: the same properties, methods and signals, a plain look."""

from __future__ import annotations

import types
from typing import Any

from .properties import addSetters, stored
from .pyside import QtCore, QtGui, QtWidgets


@addSetters
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A heading that folds what lies under it."""

    standsForCpp = True
    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._hidden: list[Any] = []
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self._heading = self.fontMetrics().height() + 8
        self.setContentsMargins(0, self._heading, 0, 0)
        QtCore.QObject.connect(self, QtCore.SIGNAL("toggled(bool)"), self._fold)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), lambda self, value: self.setChecked(not value))
    flat = stored(bool, "flat", False)

    def hitButton(self, position: Any) -> bool:
        return position.y() < self._heading

    def sizeHint(self) -> Any:
        size = self.minimumSizeHint()
        return size if self.isChecked() else QtCore.QSize(size.width(), self._heading)

    def minimumSizeHint(self) -> Any:
        words = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 30, self._heading)
        layout = self.layout()
        return words if layout is None or not self.isChecked() else layout.totalMinimumSize().expandedTo(words)

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        heading = QtCore.QRect(0, 0, self.width, self._heading)
        colour = self.palette.color(QtGui.QPalette.Mid)
        colour.setAlphaF(0.4)
        painter.fillRect(heading, colour)
        painter.setPen(self.palette.color(QtGui.QPalette.ButtonText))
        painter.drawText(heading.adjusted(6, 0, 0, 0), QtCore.Qt.AlignVCenter, "▸▾"[self.isChecked()] + " " + self.text)
        painter.end()

    def childEvent(self, event: Any) -> None:
        super().childEvent(event)
        if event.type() == QtCore.QEvent.ChildPolished and event.child().isWidgetType() and not self.isChecked():
            event.child().setVisible(False)

    def _fold(self, open_: bool) -> None:
        parts = [child for child in self.children() if child.isWidgetType()]
        if not open_:
            self._hidden = [child for child in parts if child.isHidden()]
        for child in parts:
            child.setVisible(open_ and child not in self._hidden)
        self.setMaximumHeight(16777215 if open_ else self._heading)
        self.updateGeometry()
        self.contentsCollapsed.emit(not open_)


@addSetters
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a number beside it."""

    standsForCpp = True
    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, 1000)
        self._box = QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        self._box.valueChanged.connect(self._tell)
        self._slider.sliderMoved.connect(self._slide)

    value = QtCore.Property(float, lambda self: self._box.value, lambda self, value: self._box.setValue(value))
    minimum = QtCore.Property(float, lambda self: self._box.minimum, lambda self, value: self._box.setMinimum(value))
    maximum = QtCore.Property(float, lambda self: self._box.maximum, lambda self, value: self._box.setMaximum(value))
    singleStep = QtCore.Property(
        float, lambda self: self._box.singleStep, lambda self, value: self._box.setSingleStep(value)
    )
    decimals = QtCore.Property(int, lambda self: self._box.decimals, lambda self, value: self._box.setDecimals(value))
    suffix = QtCore.Property(str, lambda self: self._box.suffix, lambda self, value: self._box.setSuffix(value))

    def _slide(self, position: int) -> None:
        self._box.setValue(self.minimum + position / 1000 * (self.maximum - self.minimum))

    def _tell(self, value: float) -> None:
        width = self.maximum - self.minimum
        self._slider.setValue(round(1000 * (value - self.minimum) / width) if width else 0)
        self.valueChanged.emit(value)


@addSetters
class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for the path of a file or folder."""

    standsForCpp = True
    currentPathChanged = QtCore.Signal(str)
    Dirs, Files, Readable, Writable = 1, 2, 16, 32

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line)
        row.addWidget(QtWidgets.QToolButton())
        self._line.textChanged.connect(self.currentPathChanged.emit)

    currentPath = QtCore.Property(str, lambda self: self._line.text, lambda self, value: self._line.setText(value))
    filters = stored(int, "filters", 0)
    nameFilters = stored("QStringList", "nameFilters", [])
    settingKey = stored(str, "settingKey", "")

    def addCurrentPathToHistory(self) -> None:
        """Keep the path for the list of the next time, of which the stand-in has none."""


@addSetters
class ctkDirectoryButton(QtWidgets.QPushButton):
    """A button that shows and changes a folder."""

    standsForCpp = True
    directoryChanged = QtCore.Signal(str)
    directory = stored(str, "directory", "")

    def _changed(self, name: str, value: str) -> None:
        self.setText(value)
        self.directoryChanged.emit(value)


@addSetters
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows and changes a colour."""

    standsForCpp = True
    colorChanged = QtCore.Signal(QtGui.QColor)
    color = stored(QtGui.QColor, "color", QtGui.QColor("black"))
    displayColorName = stored(bool, "displayColorName", True)

    def _changed(self, name: str, value: Any) -> None:
        if name == "color":
            picture = QtGui.QPixmap(12, 12)
            picture.fill(value)
            self.setIcon(QtGui.QIcon(picture))
            self.colorChanged.emit(value)


@addSetters
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line to search in something."""

    standsForCpp = True
    showSearchIcon = stored(bool, "showSearchIcon", False)


@addSetters
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that says something while nothing is chosen."""

    standsForCpp = True
    defaultText = stored(str, "defaultText", "")


CLASSES = (
    ctkCollapsibleButton,
    ctkSliderWidget,
    ctkPathLineEdit,
    ctkDirectoryButton,
    ctkColorPickerButton,
    ctkSearchBox,
    ctkComboBox,
)


def makeCtk() -> types.ModuleType:
    """The module `ctk`."""
    ctk = types.ModuleType("ctk")
    vars(ctk).update({cls.__name__: cls for cls in CLASSES})
    return ctk
