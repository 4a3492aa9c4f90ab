"""The main memory of this computer."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import UserError

_GIGA = 1e9
_LINUX = Path("/proc/meminfo")


def main_memory() -> tuple[int, int]:
    """Return the available and the total main memory in bytes, 0 where the system does not report it."""
    if _LINUX.exists():
        lines = _LINUX.read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return sizes["MemAvailable"], sizes["MemTotal"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return 0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0, 0


def check_memory(what: str, needed: int, advice: str) -> None:
    """Refuse what does not fit into the main memory, before the system ends the program for it.

    Args:
        what: Beginning of the message, such as "image.nrrd".
        needed: Bytes that are needed.
        advice: Advice for the user.

    Raises:
        UserError: Fewer bytes are available, or in total where the system reports no more.
    """
    available, total = main_memory()
    limit = available or total
    if limit and needed > limit:
        raise UserError(
            f"{what} needs {needed / _GIGA:.1f} GB of memory, but this computer has only {limit / _GIGA:.1f} GB free.",
            advice,
        )
