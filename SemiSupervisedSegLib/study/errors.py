"""Errors that end in one clear sentence for the user."""

from __future__ import annotations


class UserError(Exception):
    """Something the user gave cannot be used: `message` says what is wrong, `advice` what to do about it."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()
