"""Combo boxes of section Train whose entries have an id, and what is said of the method that is chosen in one."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from ....jobs.entries import MethodEntry
from ....jobs.needs import missing_in_study, needs_of, training_cases
from ....study.model import Study


def chooseData(box: qt.QComboBox, data: str) -> None:
    """Choose the entry with this id; nothing happens when there is none."""
    index = box.findData(data)
    if index >= 0:
        box.setCurrentIndex(index)


def markedTitle(title: str, isRecommended: bool) -> str:
    """Return the title of a method as it is shown, marked where it is the recommended one."""
    return f"{_(title)} {_('(recommended)')}" if isRecommended else _(title)


def needsInWords(study: Study | None, entry: MethodEntry) -> str:
    """Return what a method learns from, how much of it a study has, and what it lacks."""
    needs = needs_of(training_cases(study) if study else (), entry)
    parts = [f"{_(need.words)}: {need.count if study else '–'}" for need in needs]
    text = _("Learns from {kinds}.").format(kinds="; ".join(parts))
    missing = missing_in_study(study, entry) if study is not None and study.cases else None
    return f"{text} {_(str(missing or ''))}".strip()
