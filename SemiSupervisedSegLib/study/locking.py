"""Advisory locks that the operating system releases when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import UserError
from .files import open_no_link, write_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Windows locks are mandatory, so the locked byte lies far behind the text that says who holds the lock.
_LOCKED_BYTE = 1 << 30
_ATTEMPTS, _SECONDS_BETWEEN = 10, 0.02


@contextlib.contextmanager
def hold_lock(path: Path | str, what: str) -> Iterator[None]:
    """Hold the lock file at `path` during the block; raises UserError, saying who holds it, when `what` is in use."""
    path = Path(path)
    try:
        file = open(path, "a+b", opener=open_no_link)  # noqa: SIM115 (closed below, which also releases the lock)
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        if not _try_for_a_moment(file):
            raise UserError(f"{what} is in use by {_holder(file)}.", "Close it there, or wait until it is done.")
        try:
            _sign(file)
            yield
        finally:
            _unlock(file)


def is_locked(path: Path | str) -> bool:
    """Return whether a process holds the lock file at `path`; the check takes the lock for an instant."""
    try:
        file = open(path, "r+b")  # noqa: SIM115 (closed below)
    except OSError:
        return False
    with file:
        if not _try_lock(file):
            return True
        _unlock(file)
        return False


def _try_for_a_moment(file: BinaryIO) -> bool:
    # Another process may only be checking whether it is free.
    for _ in range(_ATTEMPTS):
        if _try_lock(file):
            return True
        time.sleep(_SECONDS_BETWEEN)
    return False


def _try_lock(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_UN)


def _sign(file: BinaryIO) -> None:
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    signature = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    try:
        file.truncate(0)
        file.write(json.dumps(signature).encode())
        file.flush()
    except OSError as error:
        raise write_error(file.name, error) from error


def _holder(file: BinaryIO) -> str:
    file.seek(0)
    try:
        signature = json.loads(file.read(4096))
        return f"process {signature['pid']} on {signature['host']} since {signature['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
