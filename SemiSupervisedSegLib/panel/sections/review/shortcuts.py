"""Keys for the buttons of Review: fifty images take fifty keys instead of a hundred ways of the mouse."""

from __future__ import annotations

import qt

from ..section import Widgets


class Shortcuts:
    """Clicks a button when its key is pressed anywhere in Slicer while Review is unfolded.

    A text that is being typed keeps its letters: Qt offers them to the text first.

    Args:
        ui: Widgets of Review.ui.
    """

    def __init__(self, ui: Widgets) -> None:
        keys = {
            "A": ui.acceptButton,
            "R": ui.rejectButton,
            "C": ui.correctButton,
            "Z": ui.undoButton,
            "N": ui.nextButton,
            "P": ui.previousButton,
            "W": ui.worstPlaceButton,
            "1": ui.showAnnotationBox,
            "2": ui.showPrototypeBox,
            "3": ui.showFinalBox,
        }
        # Of a widget that is hidden with its section, which silences its keys, too.
        self._shortcuts = [_connect(key, button, ui.resultsTable) for key, button in keys.items()]

    def setEnabled(self, enabled: bool) -> None:
        """Enable the keys, or leave them to the Segment Editor."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(enabled)


def _connect(key: str, button: qt.QAbstractButton, parent: qt.QWidget) -> qt.QShortcut:
    shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
    # The views are no children of the panel.
    shortcut.setContext(qt.Qt.ApplicationShortcut)
    shortcut.connect("activated()", button.click)
    return shortcut
