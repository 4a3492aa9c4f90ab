"""Advisory locks that the operating system releases when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import UserError
from .files import write_error

if os.name == "nt":
    import msvcrt
else:
    import fcntl

# Windows locks are mandatory, so the locked byte lies far behind the text that says who holds the lock.
_LOCKED_BYTE = 1 << 30


@contextlib.contextmanager
def hold_lock(path: Path | str, what: str) -> Iterator[None]:
    """Hold the lock file at `path` during the block; raises UserError, saying who holds it, when `what` is in use."""
    path = Path(path)
    try:
        file = open(path, "a+b")  # noqa: SIM115 (closed below, which also releases the lock)
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        if not _try_lock(file):
            raise UserError(f"{what} is in use by {_holder(file)}.", "Close it there, or wait until it is done.")
        try:
            _sign(file)
            yield
        finally:
            _unlock(file)


def _try_lock(file: BinaryIO) -> bool:
    try:
        if os.name == "nt":
            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: BinaryIO) -> None:
    if os.name == "nt":
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
