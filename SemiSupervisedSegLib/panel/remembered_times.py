"""How long trainings take on this computer, for the first rounds of studies."""

from __future__ import annotations

import json

from ..jobs.records import from_plain, to_plain
from .logic.round_times import RoundTimes
from .services import Preferences

_KEY = "SemiSupervisedSeg/Times/"


def remember_times(preferences: Preferences, device: str, factors: RoundTimes) -> None:
    """Keep for the first rounds of other studies by how much trainings on a device take longer than expected."""
    preferences.setValue(_KEY + device.replace(":", ""), json.dumps(to_plain(factors)))


def remembered_times(preferences: Preferences, device: str) -> RoundTimes | None:
    """Return what `remember_times` kept on this computer, None before."""
    text = preferences.value(_KEY + device.replace(":", ""))
    try:
        return None if not text else from_plain(RoundTimes, json.loads(str(text)))
    except (ValueError, RecursionError):
        # Written by another version.
        return None
