"""Strict reading of JSON objects: every value has the expected type and range, or an error names it."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Any, TypeVar

from .errors import UserError

Choice = TypeVar("Choice", bound=StrEnum)
_LONGEST_PATH = 4096


class Reader:
    """Takes typed values out of one JSON object; raises UserError, naming `where` and the key, for anything else."""

    def __init__(self, data: Any, where: str, advice: str) -> None:
        self._where, self._advice = where, advice
        if not isinstance(data, dict):
            raise self._error("is not an object with named values")
        self._data = dict(data)

    def text(self, key: str, maximum: int = 200) -> str:
        """Return a printable, not empty string without blanks at its ends, of at most `maximum` characters."""
        # One letter can be spelled in several ways, and systems differ in which they write.
        return unicodedata.normalize("NFC", self._text(key, maximum))

    def path(self, key: str) -> str:
        """Return a path, spelled as its file is; as `text` otherwise."""
        return self._text(key, _LONGEST_PATH)

    def optional_path(self, key: str) -> str | None:
        """Return a path as `path` does, or None when the key is absent or null."""
        return None if self._is_absent(key) else self.path(key)

    def optional_text(self, key: str, maximum: int = 200) -> str | None:
        """Return a text as `text` does, or None when the key is absent or null."""
        return None if self._is_absent(key) else self.text(key, maximum)

    def optional_texts(self, key: str) -> tuple[str, ...] | None:
        """Return the texts of a list, or None when the key is absent or null."""
        value = self._data.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(f"needs a list of texts as {key!r}")
        return tuple(unicodedata.normalize("NFC", item) for item in value)

    def integer(self, key: str, minimum: int, maximum: int | None = None) -> int:
        """Return a whole number in a closed range."""
        value = self._take(key)
        allowed = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
        # Truth values are integers to Python, not to a person.
        if type(value) is not int or value < minimum or (maximum is not None and value > maximum):
            raise self._error(f"needs a whole number {allowed} as {key!r}, not {value!r:.100}")
        return value

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """Return one value of an enumeration."""
        value = self._take(key)
        if not isinstance(value, str) or value not in {choice.value for choice in choices}:
            raise self._error(f"needs one of {', '.join(choices)} as {key!r}, not {value!r:.100}")
        return choices(value)

    def color(self, key: str) -> tuple[int, int, int]:
        """Return red, green and blue from 0 to 255."""
        value = self._take(key)
        if (
            not isinstance(value, list)
            or len(value) != 3
            or any(type(part) is not int or not 0 <= part <= 255 for part in value)
        ):
            raise self._error(f"needs three whole numbers from 0 to 255 as {key!r}")
        red, green, blue = value
        return red, green, blue

    def items(self, key: str, what: str, name: str) -> list[Reader]:
        """Return the objects of a list; messages call them `what` and the text that they have as `name`."""
        value = self._take(key)
        if not isinstance(value, list):
            raise self._error(f"needs a list as {key!r}")
        readers = []
        for number, item in enumerate(value, 1):
            title = item.get(name) if isinstance(item, dict) else None
            where = f"The {what} {title}" if isinstance(title, str) and title.strip() else f"The {what} number {number}"
            readers.append(Reader(item, where, self._advice))
        return readers

    def finish(self) -> None:
        """Refuse what was not read, because saving would lose it."""
        if self._data:
            raise self._error(f"has the unknown entry {sorted(map(str, self._data))[0]!r}")

    def _text(self, key: str, maximum: int) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
            raise self._error(f"needs a printable text without blanks at its ends as {key!r}, not {value!r:.100}")
        if len(value) > maximum:
            raise self._error(f"has more than {maximum} characters in {key!r}")
        return value

    def _is_absent(self, key: str) -> bool:
        if self._data.get(key) is not None:
            return False
        self._data.pop(key, None)
        return True

    def _take(self, key: str) -> Any:
        if key not in self._data:
            raise self._error(f"has no {key!r}")
        return self._data.pop(key)

    def _error(self, problem: str) -> UserError:
        return UserError(f"{self._where} {problem}.", self._advice)
