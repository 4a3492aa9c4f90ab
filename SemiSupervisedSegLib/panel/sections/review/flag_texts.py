"""The flags of a result in words."""

from __future__ import annotations

from collections.abc import Sequence

from slicer.i18n import tr as _

from ...logic.quality import QualityFlag


def flagsInShort(flags: Sequence[QualityFlag]) -> str:
    """Return how many flags a result has, for a narrow column; empty for none."""
    return f"⚠ {len(flags)}" if flags else ""


def flagsInWords(flags: Sequence[QualityFlag]) -> str:
    """Return a line for each flag that says what it means."""
    words = {
        "empty": _("{structure} was not found."),
        "several_pieces": _("{structure} has several pieces."),
        "touches_border": _("{structure} touches the border of the image and may be cut off."),
        "small": _("{structure} is much smaller than in the other images."),
        "large": _("{structure} is much larger than in the other images."),
    }
    return "\n".join(words[flag.kind].format(structure=flag.structure) for flag in flags)
