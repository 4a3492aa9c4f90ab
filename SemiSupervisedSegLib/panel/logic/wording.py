"""Words for the user that depend on a number."""

from __future__ import annotations


def counted(count: int, one: str, several: str) -> str:
    """Return the text for one or for several things, with the number in the place of {count}."""
    return (one if count == 1 else several).replace("{count}", str(count))
