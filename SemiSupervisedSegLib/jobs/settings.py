"""One setting of a method: what it is called, what it may be, and the reading of what a user wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..study.errors import UserError
from .spec import SettingValue

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})(?:x(\d{1,5}))?")


@dataclass(frozen=True)
class Setting:
    """What a setting may be.

    Attributes:
        name: Name of the setting in the engine and on the command line.
        title: Short title for a form.
        kind: `integer`, `number`, `boolean`, `choice`, or `size`, which is `auto` or a text such as 256x256.
        default: Value when neither a preset nor the user gives another.
        minimum: Smallest allowed value, of each side for a size.
        maximum: Largest allowed value.
        choices: All values of a choice.
        unit: Unit of the value, for a form.
        help: Sentence that explains the setting to the user.
        stream: Stream of images without which the setting has no meaning.
    """

    name: str
    title: str
    kind: Literal["integer", "number", "boolean", "choice", "size"]
    default: SettingValue
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    help: str = ""
    stream: str = ""

    def parse(self, value: SettingValue) -> SettingValue:
        """Return the value in the type of this setting; raises UserError with the allowed range otherwise."""
        readers: dict[str, Callable[[SettingValue], SettingValue]] = {
            "integer": _integer,
            "number": _number,
            "boolean": _boolean,
            "choice": str,
            "size": str,
        }
        try:
            parsed = readers[self.kind](value)
        except (ValueError, OverflowError) as error:
            raise self._refused(value) from error
        if not self._allows(parsed):
            raise self._refused(value)
        return parsed

    def allowed(self) -> str:
        """Describe the allowed values."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "size":
            return f"auto, or sides from {self.minimum} to {self.maximum} such as 256x256 or 96x96x96"
        what = "a whole number" if self.kind == "integer" else "a number"
        return f"{what} from {self.minimum} to {self.maximum}"

    def _allows(self, value: SettingValue) -> bool:
        if self.kind == "choice":
            return value in self.choices
        if self.kind == "size" and value != "auto":
            sides = size_of(str(value))
            return bool(sides) and all(map(self._is_in_range, sides))
        return isinstance(value, bool | str) or self._is_in_range(value)

    def _is_in_range(self, number: float) -> bool:
        return (self.minimum is None or self.minimum <= number) and (self.maximum is None or number <= self.maximum)

    def _refused(self, value: SettingValue) -> UserError:
        return UserError(f"The setting {self.name} cannot be {value!r}.", f"It is {self.allowed()}.")


def size_of(text: str) -> tuple[int, ...]:
    """Return the sides of a size such as 256x256, empty for other texts such as `auto`."""
    match = _SIZE.fullmatch(text)
    return tuple(int(side) for side in match.groups() if side is not None) if match else ()


def _integer(value: SettingValue) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("not a whole number")
    return int(value)


def _number(value: SettingValue) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError("not a number")
    return float(value)


def _boolean(value: SettingValue) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return text in _TRUE
