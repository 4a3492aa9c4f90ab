"""Terminology entries of Slicer, which name a structure by standard codes: as texts, and chosen by the user."""

from __future__ import annotations

import qt
import slicer

# What Slicer gives to new segments; without an entry its widget has no list to choose from.
_DEFAULT = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~"
    "Anatomic codes - DICOM master list~^^~^^"
)


def terminologyWidget(entry: str | None) -> slicer.qSlicerTerminologyNavigatorWidget:
    """Return Slicer's widget to choose an entry, with this one chosen if it is in its lists, else Tissue."""
    widget = slicer.qSlicerTerminologyNavigatorWidget()
    # Names and colours are those of the study.
    widget.setOverrideSectionVisible(False)
    chosen = slicer.vtkSlicerTerminologyEntry()
    for text in filter(None, (entry, _DEFAULT)):
        isEntry = slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(text, chosen)
        if isEntry and widget.setTerminologyEntry(chosen):
            break
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
