"""What all sections of the panel share: the widgets of their .ui file, what they work with, and their life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import qt
import slicer

from ...study.errors import UserError
from ..run.runner import Runner
from ..scene.case_scene import CaseScene
from ..services import Services
from ..session import Session

if TYPE_CHECKING:
    from .editing import EditingPane


class Widgets(Protocol):
    """The widgets of a .ui file by their names."""

    def __getattr__(self, name: str) -> qt.QWidget:
        """Return the widget of this name."""
        ...


@dataclass(frozen=True)
class PanelContext:
    """What the sections of one panel work with.

    Attributes:
        session: What is open.
        scene: The shown case in the MRML scene.
        services: The world outside: dialogs, processes, installer, preferences.
        runner: The worker process.
        editing: The Segment Editor, which all sections share.
    """

    session: Session
    scene: CaseScene
    services: Services
    runner: Runner
    editing: EditingPane


def namedWidgets(root: qt.QWidget) -> Widgets:
    """Return the widgets of a .ui file by name; their labels show names such as <b>T1</b> letter by letter."""
    ui = slicer.util.childWidgetVariables(root)
    for widget in vars(ui).values():
        if isinstance(widget, qt.QLabel):
            widget.setTextFormat(qt.Qt.PlainText)
    return ui


class SectionPart:
    """A part of a section with its widgets and work.

    Args:
        ui: Widgets of the section.
        context: What the panel works with.
    """

    def __init__(self, ui: Widgets, context: PanelContext) -> None:
        self.ui, self._context = ui, context
        self._session, self._scene, self._dialogs = context.session, context.scene, context.services.dialogs

    def _try(self, action: Callable[[], object]) -> bool:
        """Call `action`, show the user what went wrong, and return whether it succeeded."""
        try:
            action()
        except UserError as error:
            self._showError(error)
            return False
        return True

    def _showError(self, error: UserError) -> None:
        self._dialogs.showError(error)


class Section(SectionPart):
    """A foldable section of the panel; subclasses override what they need of its life.

    Args:
        widget: Root of the section's .ui file.
        context: What the panel works with.
    """

    def __init__(self, widget: qt.QWidget, context: PanelContext) -> None:
        super().__init__(namedWidgets(widget), context)
        self._widget = widget

    def enter(self) -> None:
        """Update what may have changed while another module was shown."""

    def exit(self) -> None:
        """Release the application to the module that is displayed now."""

    def cleanup(self) -> None:
        """Stop everything: the panel goes away."""

    def panelResized(self, height: int) -> None:
        """Use the height of the panel."""

    def upcomingCases(self) -> list[str]:
        """Return the ids of cases that the user will probably show next, the most probable first."""
        return []

    def viewSettings(self) -> dict[str, str]:
        """Return what a saved scene keeps of the section."""
        return {}

    def restoreView(self, settings: Mapping[str, str]) -> None:
        """Restore what `viewSettings` returned when the scene was saved."""
