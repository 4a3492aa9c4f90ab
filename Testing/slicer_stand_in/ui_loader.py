"""Loading of .ui files with the stand-ins for the widgets of CTK and MRML in them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from .pyside import QtCore, QtUiTools

_CONNECTION = ("sender", "signal", "receiver", "slot")


def makeLoader(customClasses: list[type]) -> type:
    """A class like qt.QUiLoader that knows the given widgets."""

    class QUiLoader(QtUiTools.QUiLoader):
        def __init__(self, parent: Any = None) -> None:
            super().__init__(parent)
            for cls in customClasses:
                self.registerCustomWidget(cls)

        def load(self, device: Any, parent: Any = None) -> Any:
            """The widget that a .ui file describes; a class of CTK or MRML that has no stand-in is an error."""
            tree = ElementTree.fromstring(bytes(device.readAll().data()))
            _refuseUnknown(tree, {cls.__name__ for cls in customClasses})
            connections = _takeSceneConnections(tree)
            buffer = QtCore.QBuffer()
            buffer.setData(ElementTree.tostring(tree))
            buffer.open(QtCore.QIODevice.ReadOnly)
            widget = super().load(buffer, parent)
            for sender, signal, receiver, slot in connections:
                _named(widget, sender).connect(signal, getattr(_named(widget, receiver), slot.split("(")[0]))
            return widget

    return QUiLoader


def _refuseUnknown(tree: ElementTree.Element, known: set[str]) -> None:
    used = {element.get("class") for element in tree.iter("widget")}
    unknown = sorted(name for name in used - known if name.startswith(("ctk", "qMRML", "qSlicer")))
    if unknown:
        raise NotImplementedError(f"Testing/slicer_stand_in has nothing that stands for {', '.join(unknown)}.")


def _takeSceneConnections(tree: ElementTree.Element) -> list[tuple[str, ...]]:
    # Qt's loader knows signals and slots of C++ only. A widget without such a line gets no scene, as in Slicer.
    taken = []
    for connections in tree.iter("connections"):
        for connection in list(connections):
            ends = tuple(connection.findtext(part, "") for part in _CONNECTION)
            if "vtk" in ends[1]:
                taken.append(ends)
                connections.remove(connection)
    return taken


def _named(widget: Any, name: str) -> Any:
    found = widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
    if found is None:
        raise ValueError(f"The .ui file connects {name}, which it does not have.")
    return found
