"""PySide6 as the stand-in wants it. Nothing else here imports PySide6, because it reads its options only once."""

from __future__ import annotations

import os
import sys

# Enums that are ints, as in PythonQt.
sys.pyside6_option_python_enum = 0x03
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import shiboken6  # noqa: E402
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets  # noqa: E402

__all__ = ["QtCore", "QtGui", "QtNetwork", "QtUiTools", "QtWidgets", "shiboken6"]
