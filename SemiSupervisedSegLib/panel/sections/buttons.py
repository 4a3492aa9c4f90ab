"""Buttons that say why they cannot be used."""

from __future__ import annotations

from typing import Any

from ..logic.state import Action, Facts, availability


def applyAvailability(widget: Any, action: Action, facts: Facts, hint: str = "") -> bool:
    """Enable a widget when its action can be taken, else disable it with the reason as its tooltip.

    Args:
        widget: a button, or any other widget.
        action: what the widget does.
        facts: all that decides.
        hint: the tooltip of the enabled widget.

    Returns:
        Whether the action can be taken.
    """
    reason = availability(facts, action)
    setEnabledWithReason(widget, reason, hint)
    return not reason


def setEnabledWithReason(widget: Any, reason: str, hint: str = "") -> None:
    """Disable a widget for a reason, which becomes its tooltip, or enable it when the reason is empty."""
    widget.setEnabled(not reason)
    widget.setToolTip(reason or hint)
