"""Qt's properties as attributes, as PythonQt has them: `button.text`, not `button.text()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .pyside import QtCore, shiboken6


class QtProperty:
    """A property of a Qt class: an attribute of its objects and, on the class itself, the C++ method it hides.

    `QTimer.singleShot(0, f)` and `QWidget.sizeHint(self)` in a subclass therefore go on working.
    """

    def __init__(self, name: str, method: Any, read: Callable[[Any], Any], write: Callable[[Any, Any], None] | None):
        self._name, self._method, self._read, self._write = name, method, read, write
        self._reading = False

    def replaceMethod(self, method: Any) -> None:
        """Let the class have another method of this name."""
        self._method = method

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self._method
        if self._reading:
            # Reading a virtual property makes shiboken look for an override by this name: it has to find C++'s method.
            return self._method.__get__(instance)
        self._reading = True
        try:
            return self._read(instance)
        finally:
            self._reading = False

    def __set__(self, instance: Any, value: Any) -> None:
        if self._write is None:
            raise AttributeError(f"Property {self._name} of {type(instance).__name__} is read-only.")
        self._write(instance, value)


def makeAttributes(cls: type) -> None:
    """Turn the properties that a Qt class has, and its parent does not have in this form, into attributes."""
    meta = cls.staticMetaObject
    for position in range(meta.propertyCount()):
        entry = meta.property(position)
        # A class that overrides the method behind its parent's property, such as sizeHint, hides the attribute.
        if position >= meta.propertyOffset() or entry.name() in vars(cls):
            setattr(cls, entry.name(), _attribute(cls, entry))


def addSetters(cls: type) -> type:
    """Class decorator for stand-ins: `setX` for every property x, and `isX` where it is true or false, as C++ has."""
    meta = cls.staticMetaObject
    for position in range(meta.propertyOffset(), meta.propertyCount()):
        entry = meta.property(position)
        name = entry.name()
        capital = name[0].upper() + name[1:]
        if entry.isWritable() and f"set{capital}" not in cls.__dict__:
            setattr(cls, f"set{capital}", lambda self, value, name=name: setattr(self, name, value))
        if entry.typeName() == "bool":
            setattr(cls, f"is{capital}", lambda self, name=name: getattr(self, name))
    return cls


def stored(kind: Any, name: str, default: Any) -> Any:
    """A property of a stand-in widget that is kept and told to the widget's `_changed(name, value)`, if it has one."""
    key = f"_{name}"

    def read(self: Any) -> Any:
        return getattr(self, key, default)

    def write(self: Any, value: Any) -> None:
        if read(self) != value:
            setattr(self, key, value)
            getattr(self, "_changed", lambda *_: None)(name, value)

    return QtCore.Property(kind, read, write)


def refuseNewAttributes(cls: type) -> None:
    """Make `widget.newAttribute = 5` an AttributeError on objects of Qt's own classes, as PythonQt does.

    Objects of Python subclasses take any attribute. Stand-ins for C++ classes say `standsForCpp = True` and may set
    private attributes.
    """
    # That of the root, which stays as it is: Python refuses C's __setattr__ where every class of the chain has its own.
    original = QtCore.QObject.__setattr__

    def setAttribute(self: Any, name: str, value: Any) -> None:
        kind = type(self)
        standIn = "standsForCpp" in vars(kind)
        if (standIn and not name.startswith("_")) or kind.__module__.startswith("PySide6."):
            if name in dynamicProperties(self):
                QtCore.QObject.setProperty(self, name, value)
                return
            if not hasattr(kind, name):
                raise AttributeError(f"{kind.__name__} has no attribute {name}, and Slicer lets nobody add one.")
        original(self, name, value)

    cls.__setattr__ = setAttribute


def dynamicProperties(instance: Any) -> list[str]:
    """The names of the properties that were added to an object by `setProperty`."""
    if not shiboken6.isValid(instance):
        return []
    return [bytes(name.data()).decode() for name in QtCore.QObject.dynamicPropertyNames(instance)]


def dynamicProperty(instance: Any, name: str) -> Any:
    """What attribute access finds for names that the class does not have: a dynamic property, else AttributeError."""
    if not name.startswith("__") and name in dynamicProperties(instance):
        return QtCore.QObject.property(instance, name)
    raise AttributeError(f"{type(instance).__name__} has no attribute {name}.")


def _attribute(cls: type, entry: QtCore.QMetaProperty) -> QtProperty:
    name = entry.name()
    capital = name[0].upper() + name[1:]
    method = getattr(cls, name, None)
    method = method if callable(method) else None
    # isX comes first: QTimer.singleShot is a property and a function with another meaning.
    getter = getattr(cls, f"is{capital}", None) or method
    if getter is None:
        read = lambda self: QtCore.QObject.property(self, name)  # noqa: E731
    else:
        read = (lambda self: getter()) if _isStatic(getter) else getter
    setter = getattr(cls, f"set{capital}", None)
    if not entry.isWritable():
        write = None
    elif setter is None:
        write = lambda self, value: QtCore.QObject.setProperty(self, name, value)  # noqa: E731
    else:
        write = (lambda self, value: setter(value)) if _isStatic(setter) else setter
    return QtProperty(name, method, read, write)


def _isStatic(method: Any) -> bool:
    return type(method).__name__ == "builtin_function_or_method"
