"""Questions and messages in windows of Slicer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..study.errors import UserError
from .scene.terminology import chosenEntry, connectValidity, terminologyWidget
from .services import Color

_LAST_FOLDER = "SemiSupervisedSeg/LastFolder"
# Names such as <b>T1</b> are shown letter by letter.
_PLAIN = {"textFormat": qt.Qt.PlainText}


class SlicerDialogs:
    """The `Dialogs` of the panel inside Slicer."""

    def confirm(self, text: str) -> bool:
        """Return whether the user agrees."""
        return slicer.util.confirmOkCancelDisplay(text, **_PLAIN)

    def chooseButton(self, text: str, buttons: Sequence[str]) -> int:
        """Return the position of the button that the user clicks; the last one stands for no choice."""
        box = qt.QMessageBox(slicer.util.mainWindow())
        box.setIcon(qt.QMessageBox.Question)
        box.setTextFormat(qt.Qt.PlainText)
        box.setText(text)
        added = [box.addButton(button, qt.QMessageBox.AcceptRole) for button in buttons[:-1]]
        box.setEscapeButton(box.addButton(buttons[-1], qt.QMessageBox.RejectRole))
        box.exec_()
        clicked = box.clickedButton()
        box.deleteLater()
        return added.index(clicked) if clicked in added else len(added)

    def inform(self, text: str) -> None:
        """Show something that the user should not miss."""
        slicer.util.infoDisplay(text, **_PLAIN)

    def showError(self, error: UserError) -> None:
        """Show what is wrong and what to do about it."""
        # For Slicer's log what the user can put right is no warning, which would turn the cross of its window red.
        logging.info(str(error))
        title = _("Semi-Supervised Segmentation")
        slicer.util.messageBox(str(error), windowTitle=title, icon=qt.QMessageBox.Warning, **_PLAIN)

    def chooseFolder(self, title: str) -> str | None:
        """Return a folder, None when the user cancels."""
        return _remembered(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, _lastFolder()))

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        """Return existing files, none when the user cancels; `filter` is as Qt writes it."""
        files = list(qt.QFileDialog.getOpenFileNames(slicer.util.mainWindow(), title, _lastFolder(), filter) or ())
        _remembered(files[0] if files else "")
        return files

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        """Return a file to write, which may not exist yet, None when the user cancels."""
        return _remembered(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, _lastFolder(), filter))

    def askText(self, title: str, label: str, default: str) -> str | None:
        """Return a line of text, None when it stays empty or the user cancels."""
        text = qt.QInputDialog.getText(slicer.util.mainWindow(), title, label, qt.QLineEdit.Normal, default)
        return text.strip() or None

    def chooseItems(self, title: str, label: str, items: Sequence[str], preselected: bool = True) -> list[int]:
        """Return the positions of the items that the user takes from a list, none when the user cancels.

        At first all items are selected, or none.
        """
        dialog = qt.QDialog(slicer.util.mainWindow())
        dialog.windowTitle = title
        layout = qt.QVBoxLayout(dialog)
        words = qt.QLabel(label)
        words.setTextFormat(qt.Qt.PlainText)
        layout.addWidget(words)
        choice = qt.QListWidget()
        choice.setSelectionMode(qt.QAbstractItemView.ExtendedSelection)
        choice.addItems(list(items))
        if preselected:
            choice.selectAll()
        layout.addWidget(choice)
        _addButtons(dialog)
        accepted = dialog.exec_()
        chosen = [row for row in range(len(items)) if choice.item(row).isSelected()] if accepted else []
        dialog.deleteLater()
        return chosen

    def chooseColor(self, title: str, color: Color) -> Color | None:
        """Return a colour, None when the user cancels."""
        chosen = qt.QColorDialog.getColor(qt.QColor(*color), slicer.util.mainWindow(), title)
        return (chosen.red(), chosen.green(), chosen.blue()) if chosen.isValid() else None

    def chooseTerminology(self, title: str, entry: str | None) -> str | None:
        """Return an entry of Slicer's terminologies, None when the user cancels; `entry` is chosen at first."""
        dialog = qt.QDialog(slicer.util.mainWindow())
        dialog.windowTitle = title
        navigator = terminologyWidget(entry)
        qt.QVBoxLayout(dialog).addWidget(navigator)
        connectValidity(navigator, _addButtons(dialog))
        navigator.connect("typeDoubleClicked()", dialog.accept)
        dialog.resize(700, 600)
        chosen = chosenEntry(navigator) if dialog.exec_() else None
        dialog.deleteLater()
        return chosen


def _addButtons(dialog: qt.QDialog) -> qt.QPushButton:
    """Add OK and Cancel below everything else, and return OK."""
    buttons = qt.QDialogButtonBox()
    accept = buttons.addButton(_("OK"), qt.QDialogButtonBox.AcceptRole)
    buttons.addButton(qt.QDialogButtonBox.Cancel)
    buttons.connect("accepted()", dialog.accept)
    buttons.connect("rejected()", dialog.reject)
    dialog.layout().addWidget(buttons)
    return accept


def _lastFolder() -> str:
    return str(qt.QSettings().value(_LAST_FOLDER) or "")


def _remembered(chosen: str) -> str | None:
    """Return what was chosen, None for nothing; the next dialog begins in its folder."""
    if chosen:
        qt.QSettings().setValue(_LAST_FOLDER, str(Path(chosen).parent))
    return chosen or None
