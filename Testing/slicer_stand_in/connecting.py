"""Connections as PythonQt makes them: `button.connect('clicked(bool)', f)`, with C++ signatures."""

from __future__ import annotations

import types
from typing import Any

from .pyside import QtCore

# PySide has its own forms of both names and answers them before it looks at the class.
_native = {name: getattr(QtCore.QObject, name) for name in ("connect", "disconnect")}


def _isSignature(arguments: tuple) -> bool:
    return len(arguments) > 1 and isinstance(arguments[0], str) and arguments[0][0].isalpha()


def _asPySide(self: Any, arguments: tuple) -> tuple:
    # QTimer.singleShot with a delay calls the form that names the sender, on the sender itself.
    return arguments if arguments and isinstance(arguments[0], QtCore.QObject) else (self, *arguments)


def _signal(sender: Any, signature: str) -> Any:
    """The signal of a stand-in whose C++ signature PySide cannot know, None for every other signal.

    Slicer answers unknown signatures with False and a warning that nobody reads, so here they are an error.
    """
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    name = getattr(type(sender), "cppSignals", {}).get(normal)
    if name is not None:
        return getattr(sender, name)
    if sender.metaObject().indexOfSignal(normal) < 0:
        raise ValueError(f"{type(sender).__name__} has no signal {signature}.")
    return None


def _connect(self: Any, *arguments: Any) -> bool:
    if not _isSignature(arguments):
        return _native["connect"](*_asPySide(self, arguments))
    signature, receiver, *slot = arguments
    if slot:
        receiver = getattr(receiver, slot[0].split("(")[0])
    signal = _signal(self, signature)
    if signal is None:
        return bool(_native["connect"](self, QtCore.SIGNAL(signature), receiver))
    return bool(signal.connect(receiver))


def _disconnect(self: Any, *arguments: Any) -> bool:
    if not _isSignature(arguments):
        return _native["disconnect"](*_asPySide(self, arguments))
    signature, receiver, *slot = arguments
    if slot:
        receiver = getattr(receiver, slot[0].split("(")[0])
    signal = _signal(self, signature)
    if signal is None:
        return bool(_native["disconnect"](self, QtCore.SIGNAL(signature), receiver))
    return bool(signal.disconnect(receiver))


_OWN = {"connect": _connect, "disconnect": _disconnect}


def patchConnections(cls: type) -> None:
    """Give the objects of a Qt class PythonQt's `connect` and `disconnect`, where the class finds attributes itself."""
    original = vars(cls).get("__getattribute__")
    if original is None:
        return

    def getAttribute(self: Any, name: str) -> Any:
        own = _OWN.get(name)
        return original(self, name) if own is None else types.MethodType(own, self)

    cls.__getattribute__ = getAttribute
