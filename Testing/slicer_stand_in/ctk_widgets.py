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


CLASSES = (ctkCollapsibleButton,)


def makeCtk() -> types.ModuleType:
    """The module `ctk`."""
    ctk = types.ModuleType("ctk")
    vars(ctk).update({cls.__name__: cls for cls in CLASSES})
    return ctk
