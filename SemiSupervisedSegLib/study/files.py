"""Files that are either written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import UserError

_NO_SPACE = {errno.ENOSPC, errno.EFBIG} | ({errno.EDQUOT} if hasattr(errno, "EDQUOT") else set())
TEMPORARY_PREFIX = ".tmp-"


def write_text_atomically(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 in place of the file at `path`; raises UserError and keeps the old file if that fails."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path | str, data: bytes) -> None:
    """Write `data` in place of the file at `path`; raises UserError and keeps the old file if that fails."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path with the same suffixes that takes the place of `path` when the block succeeds.

    When the block fails, the temporary file is removed and the file at `path` stays as it was. Raises UserError when
    the system refuses to write; every other error of the block passes through.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        # After a successful rename there is nothing left to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_error(path: Path | str, error: OSError) -> UserError:
    """Say in words for the user why the file at `path` could not be written."""
    path = Path(path)
    if error.errno in _NO_SPACE:
        return UserError(
            f"There is no space left to write {path.name} in {path.parent}.",
            "Free some disk space and try again; nothing that was there before has been changed.",
        )
    reason = error.strerror or type(error).__name__
    return UserError(
        f"{path.name} could not be written in {path.parent} ({reason}).",
        "Check that the folder exists and that you may write to it.",
    )


def _flush_to_disk(path: Path) -> None:
    # Windows flushes only handles that are open for writing.
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    # Only POSIX can open a folder; some network file systems refuse to flush one, and the rename is done by then.
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
