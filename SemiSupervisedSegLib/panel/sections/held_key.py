"""A key that counts for as long as it is held down."""

from __future__ import annotations

from collections.abc import Callable

import qt


class HeldKey(qt.QObject):
    """Calls a function when a key goes down anywhere in Slicer, and again when it is released.

    A text that is being typed keeps its letters: Qt offers them to the text first.

    Args:
        key: The key, a capital letter.
        parent: Widget that the key belongs to: while it is hidden the key does nothing.
        receiver: Function that is called with whether the key is down.
    """

    def __init__(self, key: str, parent: qt.QWidget, receiver: Callable[[bool], None]) -> None:
        super().__init__()
        self._key, self._receiver, self._isDown = ord(key), receiver, False
        self._shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
        # The views are no children of the panel.
        self._shortcut.setContext(qt.Qt.ApplicationShortcut)
        self._shortcut.setAutoRepeat(False)
        self._shortcut.connect("activated()", self._press)

    def release(self) -> None:
        """Count the key as released, as when it can do nothing any more."""
        if self._isDown:
            self._isDown = False
            qt.QApplication.instance().removeEventFilter(self)
            self._receiver(False)

    def eventFilter(self, watched: qt.QObject, event: qt.QEvent) -> bool:
        """Look at the events of all widgets, while the key is down only, and let them pass (Qt)."""
        kind = event.type()
        # X11 sends pairs of release and press while a key is held.
        isReleased = kind == qt.QEvent.KeyRelease and event.key() == self._key and not event.isAutoRepeat()
        # Another window gets the release.
        if isReleased or kind == qt.QEvent.WindowDeactivate:
            self.release()
        return False

    def _press(self) -> None:
        if not self._isDown:
            self._isDown = True
            qt.QApplication.instance().installEventFilter(self)
            self._receiver(True)
