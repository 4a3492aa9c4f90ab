"""Words for the user: those that depend on a number, and those with names that Qt must not take for markup."""

from __future__ import annotations

import html


def counted(count: int, one: str, several: str) -> str:
    """Return the text for one or for several things, with the number in the place of {count}."""
    return (one if count == 1 else several).replace("{count}", str(count))


def plain_tooltip(text: str) -> str:
    """Return a tool tip that shows a text letter by letter, where Qt would take a name such as <b>T1</b> for HTML."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>' if "<" in text else text
