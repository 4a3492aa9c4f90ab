"""Slicer's button Reload loads the module file anew; this makes it load the library anew, too."""

from __future__ import annotations

import sys

_PACKAGE = __name__.split(".", maxsplit=1)[0]


def unloadPackage() -> None:
    """Make the next import of the library read its files again; existing objects keep their code."""
    for name in [name for name in sys.modules if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")]:
        del sys.modules[name]
