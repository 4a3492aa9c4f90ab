"""Files and folders that are either written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
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


@contextlib.contextmanager
def temporary_folder(target: Path | str) -> Iterator[Path]:
    """Yield a new folder beside `target` that is removed at the end, unless it was renamed.

    Raises:
        UserError: The system refuses to write, for example because no space is left.
    """
    target = Path(target)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block succeeds; a failure changes nothing.

    Raises:
        UserError: The system refuses to write, for example because no space is left.
    """
    target = Path(target)
    with temporary_folder(target) as temporary:
        new = temporary / "new"
        new.mkdir()
        yield new
        for path in new.rglob("*"):
            if path.is_file():
                _flush_to_disk(path)
        if target.exists():
            os.replace(target, temporary / "old")
        os.replace(new, target)


def check_stays_inside(path: Path | str, folder: Path | str) -> None:
    """Raise UserError when whatever is written at `path` would come to lie outside of `folder`, through a link."""
    path = Path(path)
    try:
        stays = path.resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        stays = False
    if not stays:
        raise UserError(
            f"{path.name} in {path.parent} is or lies behind a link that leads out of {folder}.",
            "Put what it leads to in the place of the link; nothing is written outside.",
        )


def open_no_link(path: Path | str, flags: int) -> int:
    """Open a file unless it is a link; an `opener` for `open`, for files that are not replaced but written in place."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_error(path: Path | str, error: OSError) -> UserError:
    """Describe for the user why the file at `path` could not be written."""
    path = Path(path)
    if error.errno == errno.ELOOP:
        return UserError(
            f"{path.name} in {path.parent} is a link.", "Remove the link; this file is not written through one."
        )
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
