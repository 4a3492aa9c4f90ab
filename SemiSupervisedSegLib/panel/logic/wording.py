"""Words for the user: those that depend on a number, and those with names that Qt must not take for markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable


def counted(count: int, one: str, several: str) -> str:
    """Return the text for one or for several things, with the number in the place of {count}."""
    return (one if count == 1 else several).replace("{count}", str(count))


def plain_tooltip(text: str) -> str:
    """Return a tool tip that shows a text letter by letter, where Qt would take a name such as <b>T1</b> for HTML."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>' if "<" in text else text


def package_names(requirements: Iterable[str]) -> str:
    """Return the names of packages from requirements such as `monai>=1.5`, whose versions the user need not read."""
    return ", ".join(re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements)
