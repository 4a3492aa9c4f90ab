"""What a killed worker had not finished writing."""

from __future__ import annotations

import shutil

from ..jobs.folder import JobFolder
from ..study.files import TEMPORARY_PREFIX


def remove_leftovers(folder: JobFolder) -> None:
    """Remove half-written checkpoints, models and predictions of a job; only for the worker that holds its lock.

    Small files directly in the job folder stay, because other processes write there too.
    """
    for place in (folder.path, folder.checkpoints, folder.predictions, folder.previews):
        for path in place.glob(f"{TEMPORARY_PREFIX}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif place != folder.path:
                path.unlink(missing_ok=True)
