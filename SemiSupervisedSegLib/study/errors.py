"""Errors that end in one clear sentence for the user."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_LISTED = 10


class UserError(Exception):
    """Something the user gave cannot be used: `message` says what is wrong, `advice` what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


def all_failures(failures: Sequence[UserError]) -> UserError:
    """Return one error that lists the messages of several, with the advice of the first."""
    messages = [failure.message for failure in failures[:_MOST_LISTED]]
    if len(failures) > _MOST_LISTED:
        messages.append(f"{len(failures) - _MOST_LISTED} more failed.")
    return UserError("\n".join(messages), failures[0].advice)
