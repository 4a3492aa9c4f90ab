"""The segmentations of a round that can be exported."""

from __future__ import annotations

from pathlib import Path

from ..study.exporting import Source
from .folder import JobFolder

_FINAL = "final.seg.nrrd"


def prediction_sources(folder: JobFolder) -> list[Source]:
    """Return the final predictions of a round, of the cases that have one; raises UserError for an unreadable round."""
    sources = (
        Source(case.id, folder.predictions / case.id / _FINAL, Path(case.image), structures=None)
        for case in folder.spec().cases
    )
    return [source for source in sources if source.path.exists()]
