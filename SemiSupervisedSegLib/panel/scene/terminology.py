"""Terminology entries of Slicer, which name a structure by standard codes: as texts, and chosen by the user."""

from __future__ import annotations

import qt
import slicer


def terminologyWidget(entry: str | None) -> slicer.qSlicerTerminologyNavigatorWidget:
    """Return Slicer's widget to choose an entry, with one of them chosen if it is in Slicer's lists."""
    widget = slicer.qSlicerTerminologyNavigatorWidget()
    # Names and colours are those of the study.
    widget.setOverrideSectionVisible(False)
    chosen = slicer.vtkSlicerTerminologyEntry()
    if entry and slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(entry, chosen):
        widget.setTerminologyEntry(chosen)
    return widget


def chosenEntry(widget: slicer.qSlicerTerminologyNavigatorWidget) -> str | None:
    """Return the entry that is chosen in the widget as text, None when nothing is."""
    chosen = slicer.vtkSlicerTerminologyEntry()
    if not widget.terminologyEntry(chosen):
        return None
    return slicer.vtkSlicerTerminologiesModuleLogic.SerializeTerminologyEntry(chosen) or None


def connectValidity(widget: slicer.qSlicerTerminologyNavigatorWidget, button: qt.QPushButton) -> None:
    """Let a button be usable while an entry is chosen."""
    button.setEnabled(chosenEntry(widget) is not None)
    widget.connect("selectionValidityChanged(bool)", button.setEnabled)
