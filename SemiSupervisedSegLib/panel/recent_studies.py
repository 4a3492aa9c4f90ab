"""The studies that were open last on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from ..study.layout import StudyFolder
from .services import Preferences

_KEY = "SemiSupervisedSeg/RecentStudies"
_MOST = 8


def recent_studies(preferences: Preferences) -> list[Path]:
    """Return the folders of recent studies that are still there, the latest first."""
    return [folder for folder in _stored(preferences) if StudyFolder(folder).exists()]


def remember_study(preferences: Preferences, folder: Path) -> None:
    """Put a study first in the list."""
    folders = [folder, *(other for other in _stored(preferences) if other != folder)]
    preferences.setValue(_KEY, json.dumps([str(path) for path in folders[:_MOST]]))


def _stored(preferences: Preferences) -> list[Path]:
    try:
        return [Path(text) for text in json.loads(str(preferences.value(_KEY) or "[]"))]
    except (ValueError, TypeError):
        # Written by another version.
        return []
