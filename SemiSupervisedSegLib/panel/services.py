"""The world outside the panel as its parts see it, so that tests can replace it: dialogs, processes, installer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import qt

from ..study.errors import UserError

if TYPE_CHECKING:
    from ..jobs.spec import SettingValue

Color = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""


class Dialogs(Protocol):
    """The few questions and messages that need a window of their own."""

    def confirm(self, text: str) -> bool:
        """Return whether the user agrees."""
        ...

    def chooseButton(self, text: str, buttons: Sequence[str]) -> int:
        """Return the position of the button that the user clicks; the last one stands for no choice."""
        ...

    def inform(self, text: str) -> None:
        """Show something that the user should not miss."""
        ...

    def showError(self, error: UserError) -> None:
        """Show what is wrong and what to do about it."""
        ...

    def chooseFolder(self, title: str) -> str | None:
        """Return a folder, None when the user cancels."""
        ...

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        """Return existing files, none when the user cancels; `filter` is as Qt writes it."""
        ...

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        """Return a file to write, which may not exist yet, None when the user cancels."""
        ...

    def askText(self, title: str, label: str, default: str) -> str | None:
        """Return a line of text, None when it stays empty or the user cancels."""
        ...

    def chooseItems(self, title: str, label: str, items: Sequence[str], preselected: bool = True) -> list[int]:
        """Return the positions of the items that the user takes from a list, none when the user cancels.

        At first all items are selected, or none.
        """
        ...

    def chooseColor(self, title: str, color: Color) -> Color | None:
        """Return a colour, None when the user cancels."""
        ...

    def chooseTerminology(self, title: str, entry: str | None) -> str | None:
        """Return an entry of Slicer's terminologies, None when the user cancels; `entry` is chosen at first."""
        ...


class Installer(Protocol):
    """Knows the packages that training needs."""

    def versions(self) -> dict[str, str]:
        """Return the installed version of every package by name, empty where it is not installed."""
        ...

    def missing(self) -> tuple[str, ...]:
        """Return what is not installed, or in a version that does not fit, such as `monai>=1.5`."""
        ...

    def install(self) -> str:
        """Install what is missing and return a sentence that says how it went; raises UserError."""
        ...


class Preferences(Protocol):
    """Preferences of this machine, with the interface of QSettings."""

    def value(self, key: str, default: SettingValue | None = None) -> SettingValue | None:
        """Return what was set, `default` before."""
        ...

    def setValue(self, key: str, value: SettingValue) -> None:
        """Keep a value."""
        ...


@dataclass
class Services:
    """What a panel works with.

    Attributes:
        dialogs: Questions and messages.
        installer: Installs what training needs.
        processFactory: Makes a process that is not started yet.
        pythonExecutable: The Python that runs the worker.
        settings: Preferences of this machine.
    """

    dialogs: Dialogs
    installer: Installer
    processFactory: Callable[[], qt.QProcess]
    pythonExecutable: str
    settings: Preferences
