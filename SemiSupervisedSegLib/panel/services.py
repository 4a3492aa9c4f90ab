"""What the panel asks of the world outside it, so that tests can give their own: dialogs, processes, installer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..study.errors import UserError


class Dialogs:
    """The few questions and messages that need a window of their own."""

    def confirm(self, text: str) -> bool:
        """Whether the user agrees."""
        return slicer.util.confirmOkCancelDisplay(text)

    def inform(self, text: str) -> None:
        """Say something that the user should not miss."""
        slicer.util.infoDisplay(text)

    def showError(self, error: UserError) -> None:
        """Say what is wrong and what to do about it."""
        slicer.util.errorDisplay(str(error))

    def chooseFolder(self, title: str) -> str | None:
        """A folder, None when the user cancels."""
        return qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title) or None

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        """Existing files, none when the user cancels; `filter` is as Qt writes it."""
        return list(qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), title, "", filter) or ())

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        """A file to write, which may not exist yet, None when the user cancels."""
        return qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, "", filter) or None

    def askText(self, title: str, label: str, default: str) -> str | None:
        """A line of text, None when it stays empty or the user cancels."""
        text = qt.QInputDialog.getText(slicer.util.mainWindow(), title, label, qt.QLineEdit.Normal, default)
        return text.strip() or None

    def chooseItems(self, title: str, label: str, items: Sequence[str]) -> list[int]:
        """The positions of the items that the user takes from a list, none when the user cancels."""
        dialog = qt.QDialog(slicer.util.mainWindow())
        dialog.windowTitle = title
        layout = qt.QVBoxLayout(dialog)
        layout.addWidget(qt.QLabel(label))
        choice = qt.QListWidget()
        choice.setSelectionMode(qt.QAbstractItemView.ExtendedSelection)
        choice.addItems(list(items))
        choice.selectAll()
        layout.addWidget(choice)
        buttons = qt.QDialogButtonBox()
        buttons.addButton(_("Add"), qt.QDialogButtonBox.AcceptRole)
        buttons.addButton(qt.QDialogButtonBox.Cancel)
        buttons.connect("accepted()", dialog.accept)
        buttons.connect("rejected()", dialog.reject)
        layout.addWidget(buttons)
        accepted = dialog.exec_()
        chosen = [row for row in range(len(items)) if choice.item(row).isSelected()] if accepted else []
        dialog.deleteLater()
        return chosen

    def chooseColor(self, title: str, color: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """A colour (red, green, blue from 0 to 255), None when the user cancels."""
        chosen = qt.QColorDialog.getColor(qt.QColor(*color), slicer.util.mainWindow(), title)
        return (chosen.red(), chosen.green(), chosen.blue()) if chosen.isValid() else None


@dataclass
class Services:
    """What a panel works with.

    Attributes:
        dialogs: questions and messages.
        installer: says which packages are missing and installs them; see dependencies.py.
        processFactory: makes a process with the interface of QProcess.
        pythonExecutable: the Python that runs the worker.
        packageRoot: the folder that holds the package SemiSupervisedSegLib.
        settings: preferences of this machine, with the interface of QSettings.
    """

    dialogs: Any
    installer: Any
    processFactory: Callable[[], Any]
    pythonExecutable: str
    packageRoot: Path
    settings: Any = None


def defaultServices() -> Services:
    """What the panel works with inside Slicer."""
    from .dependencies import Installer

    return Services(
        dialogs=Dialogs(),
        installer=Installer(),
        processFactory=qt.QProcess,
        # Inside Slicer this is PythonSlicer, which sets up Python as Slicer has it.
        pythonExecutable=sys.executable,
        packageRoot=Path(__file__).resolve().parents[2],
        settings=qt.QSettings(),
    )
