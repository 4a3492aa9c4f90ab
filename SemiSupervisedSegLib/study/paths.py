"""Paths as studies and jobs store them, so that folders can be copied and moved with what belongs to them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from .errors import UserError

# The root and a folder such as /home or /data.
_UNRELATED_PARTS = 2


def path_from(folder: Path | str, path: Path | str) -> str:
    """Return how a file in `folder` refers to another one, in POSIX form.

    Relative to the folder if the file lies inside or near it, so that both can be moved together; absolute when they
    share no more than the root and one folder.
    """
    absolute, home = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    # Links are kept as they are: data managers replace files by links to places that change.
    if absolute.is_relative_to(home):
        return absolute.relative_to(home).as_posix()
    # `..` after a link leads elsewhere, so links to folders are followed first.
    real, home = absolute.parent.resolve() / absolute.name, home.resolve()
    if real.anchor != home.anchor or len(Path(os.path.commonpath([real, home])).parts) <= _UNRELATED_PARTS:
        return absolute.as_posix()
    return Path(os.path.relpath(real, home)).as_posix()


def path_in(folder: Path | str, stored: str) -> Path:
    """Return the file that is meant by a path as `path_from` gives it."""
    if not stored.startswith("../"):
        return Path(folder) / stored
    return Path(os.path.normpath(Path(folder).resolve() / stored))


def existing_spelling(path: Path | str) -> Path:
    """Return the path whose names are spelled as the files on disk; the same path where there is no such file.

    Accented letters are one or two characters, depending on the system and program that made the file.
    """
    path = Path(path)
    if os.path.lexists(path) or path.parent == path:
        return path
    parent = existing_spelling(path.parent)
    name = unicodedata.normalize("NFC", path.name)
    try:
        return next(entry for entry in parent.iterdir() if unicodedata.normalize("NFC", entry.name) == name)
    except (OSError, StopIteration):
        return parent / path.name


def check_is_text(path: Path | str) -> None:
    """Raise UserError for a path that is not valid text, at which ITK would end the whole process."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = Path(path).name.encode("utf-8", "backslashreplace").decode()
        raise UserError(
            f"The name of the file or folder {shown} is not valid UTF-8 text.", "Rename it, and add it again."
        ) from error
