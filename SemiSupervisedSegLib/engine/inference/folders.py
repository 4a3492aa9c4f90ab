"""Folders that are complete or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...study.files import write_error


@contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block succeeds; a failure changes nothing.

    Raises:
        UserError: the system refuses to write, for example because no space is left.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            yield new
            _flush_files(new)
            if target.exists():
                os.replace(target, Path(temporary) / "old")
            os.replace(new, target)
    except OSError as error:
        raise write_error(target, error) from error


def _flush_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            # Windows flushes only handles that are open for writing.
            with open(path, "r+b") as file:
                os.fsync(file.fileno())
