"""Names of rounds for the user."""

from __future__ import annotations

from slicer.i18n import tr as _

from ...jobs.folder import JobFolder
from ...jobs.job_specs import PREDICTION


def roundTitle(folder: JobFolder) -> str:
    """Return the name of a round, in words for one that applied a model and trained nothing."""
    number, _dash, method = folder.name.partition("-")
    return _("{number}, a model applied").format(number=number) if method == PREDICTION else folder.name
