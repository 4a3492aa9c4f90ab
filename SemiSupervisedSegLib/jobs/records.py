"""Dataclasses to JSON objects and back, strictly: a record that was read is a record that could have been written."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Record = TypeVar("Record", bound=Dataclass)


def to_plain(value: Any) -> Any:
    """Turn a record, or anything inside one, into what JSON can say; numbers that are not finite become null."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_plain(kind: type[Record], data: Any, *, ignore_unknown: bool = False) -> Record:
    """Make the record of class `kind` from a JSON object.

    Args:
        kind: Dataclass whose annotations say what is allowed.
        data: Plain data, as read from JSON.
        ignore_unknown: Whether to ignore entries that the class does not have, as a newer program may write them.

    Raises:
        ValueError: An entry is missing, unknown or of another type; the message names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__} is not an object with named values")
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(data) - set(fields))
    if unknown and not ignore_unknown:
        raise ValueError(f"{kind.__name__} has the unknown entry {unknown[0]!r}")
    missing = [name for name, field in fields.items() if name not in data and _is_required(field)]
    if missing:
        raise ValueError(f"{kind.__name__} has no {missing[0]!r}")
    return kind(**{name: _read(hints[name], data[name], name) for name in fields if name in data})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin is types.UnionType or origin is typing.Union:
        return _read_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        if isinstance(value, str) and value in typing.get_args(hint):
            return value
    elif origin is tuple:
        return _read_tuple(typing.get_args(hint), value, where)
    elif origin is dict:
        return _read_dict(typing.get_args(hint)[1], value, where)
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_plain(hint, value)
    elif issubclass(hint, Enum):
        if isinstance(value, str) and value in {member.value for member in hint}:
            return hint(value)
    elif hint is float:
        return _read_float(value, where)
    # Truth values are integers to Python, but not to the writer of the file.
    elif type(value) is hint and not (hint is str and _is_half_a_character(value)):
        return value
    raise ValueError(f"{where!r} has a value that it cannot have")


def _read_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    # An exact type comes first, so that 1 stays an integer where both integers and floats are allowed.
    if type(value) in options:
        return _read(type(value), value, where)
    # Null is no number here: it has to be allowed by name.
    if value is None:
        raise ValueError(f"{where!r} is null")
    for option in options:
        try:
            return _read(option, value, where)
        except ValueError:
            continue
    raise ValueError(f"{where!r} has a value that it cannot have")


def _read_tuple(options: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where!r} is not a list")
    if options[-1] is Ellipsis:
        return tuple(_read(options[0], item, where) for item in value)
    if len(value) != len(options):
        raise ValueError(f"{where!r} has not {len(options)} entries")
    return tuple(_read(option, item, where) for option, item in zip(options, value, strict=True))


def _read_dict(option: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where!r} is not an object with named values")
    return {_read(str, key, where): _read(option, item, f"{where}.{key}") for key, item in value.items()}


def _is_half_a_character(text: str) -> bool:
    # JSON can say halves of surrogate pairs alone; no file and no report can.
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _read_float(value: Any, where: str) -> float:
    # A loss can be no number; JSON says null to that.
    if value is None:
        return math.nan
    if type(value) not in (int, float):
        raise ValueError(f"{where!r} is not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{where!r} is too large a number") from error
    if not math.isfinite(number):
        raise ValueError(f"{where!r} is not a finite number")
    return number
