"""What the panel works with inside Slicer; tests replace it."""

from __future__ import annotations

import sys

import qt

from .dependencies import PackageInstaller
from .dialogs import SlicerDialogs
from .services import Services


def defaultServices() -> Services:
    """Return what the panel works with inside Slicer."""
    return Services(
        dialogs=SlicerDialogs(),
        installer=PackageInstaller(),
        processFactory=qt.QProcess,
        # Inside Slicer this is PythonSlicer, which sets up Python as Slicer has it.
        pythonExecutable=sys.executable,
        settings=qt.QSettings(),
    )
