"""The module `qt` with PythonQt's manners, made of PySide6. See README.md of the tests for what is imitated."""

from __future__ import annotations

import functools
import types
from typing import Any

from .connecting import patchConnections
from .properties import dynamicProperty, makeAttributes, refuseNewAttributes
from .pyside import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets, shiboken6

_PARTS = (QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets)
# PythonQt has something of these names, too, but known to be fragile: code of the panel has to do without.
_LEFT_OUT = {"Signal", "Slot", "Property", "SIGNAL", "SLOT", "ClassInfo"}
# Dialogs that wait for a person. A test that reaches one would wait for ever.
_WAITING = {
    "QFileDialog": ("getExistingDirectory", "getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    "QInputDialog": ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
    "QColorDialog": ("getColor",),
    "QMessageBox": ("question", "warning", "information", "critical", "about"),
}


def makeQt() -> types.ModuleType:
    """Patch PySide6's classes and return a module that holds them all, as `import qt` does in Slicer."""
    qt = types.ModuleType("qt")
    for part in _PARTS:
        # PySide makes its classes when they are asked for, so they have to be asked for one by one.
        names = [name for name in dir(part) if not name.startswith("_") and name not in _LEFT_OUT]
        vars(qt).update({name: getattr(part, name) for name in names})
    for cls in _qtClasses(qt):
        makeAttributes(cls)
        patchConnections(cls)
        if cls is not QtCore.QObject:
            refuseNewAttributes(cls)
        if "exec" in vars(cls):
            cls.exec_ = cls.exec
    vars(QtCore.QTimer)["singleShot"].replaceMethod(_holding(QtCore.QTimer.singleShot))
    QtCore.QObject.name = property(lambda self: self.objectName, lambda self, value: self.setObjectName(value))
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QObject.delete = _delete
    QtCore.QObject.__getattr__ = dynamicProperty
    for dialog, functions in _WAITING.items():
        for function in functions:
            setattr(getattr(qt, dialog), function, staticmethod(_refusal(f"{dialog}.{function}")))
    return qt


def _qtClasses(qt: types.ModuleType) -> list[type]:
    classes = {value for value in vars(qt).values() if isinstance(value, type) and issubclass(value, QtCore.QObject)}
    return sorted((cls for cls in classes if hasattr(cls, "staticMetaObject")), key=lambda cls: len(cls.__mro__))


def _holding(singleShot: Any) -> Any:
    """PySide forgets a bound method whose object nobody else holds; PythonQt keeps it until the time has come."""
    return lambda delay, receiver: singleShot(delay, functools.partial(receiver))


def _delete(self: Any) -> None:
    shiboken6.delete(self)


def _refusal(name: str) -> Any:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError(f"{name} waits for a person: the test has to give the panel scripted dialogs.")

    return refuse
