"""Buttons that say why they cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..logic.state import Action, Facts, availability
from ..logic.wording import plain_tooltip

if TYPE_CHECKING:
    import qt


def applyAvailability(widget: qt.QWidget, action: Action, facts: Facts, hint: str = "") -> bool:
    """Enable a widget when its action can be taken, else disable it with the reason as its tooltip.

    Args:
        widget: A button, or any other widget.
        action: What the widget does.
        facts: Everything that decides.
        hint: Tooltip of the enabled widget.

    Returns:
        Whether the action can be taken.
    """
    reason = availability(facts, action)
    setEnabledWithReason(widget, reason, hint)
    return not reason


def setEnabledWithReason(widget: qt.QWidget, reason: str, hint: str = "") -> None:
    """Disable a widget for a reason, which becomes its tooltip, or enable it when the reason is empty."""
    widget.setEnabled(not reason)
    # A reason may repeat what the user wrote.
    widget.setToolTip(plain_tooltip(reason or hint))


def addButtonAction(menu: qt.QMenu, button: qt.QPushButton) -> None:
    """Add what a button does to a menu, as it can be used now."""
    action = menu.addAction(button.text)
    action.setEnabled(button.enabled)
    action.setToolTip(button.toolTip)
    action.connect("triggered()", button.click)
