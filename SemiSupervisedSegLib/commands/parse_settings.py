"""Settings as they are written on the command line."""

from __future__ import annotations

from ..study.errors import UserError


def parse_settings(texts: list[str]) -> dict[str, str]:
    """Return the settings of texts such as steps=2000, by name; raises UserError for a text that sets nothing."""
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{text!r} sets nothing.", "Write --set NAME=VALUE, such as --set steps=2000.")
        settings[name.strip()] = value.strip()
    return settings
