"""The part of this program that runs on the other machine: it takes jobs in, starts them, and tells how far they are.

python -m SemiSupervisedSegLib.jobs.remote.far_end COMMAND ...

Paths begin in the home folder. What it says are lines of JSON with a mark before; files travel as tar.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ...study.errors import UserError
from ...study.files import TEMPORARY_PREFIX
from ...study.locking import is_locked
from ..events import Cancelled, Failed, Finished, PreviewReady, from_line
from ..folder import LAST_CHECKPOINT, JobFolder
from ..slurm_request import SlurmRequest
from ..versions import missing_packages, package_digest
from . import slurm_commands
from .connection import MARK
from .slurm_commands import SlurmAway
from .slurm_job import SlurmJob, queued_names, sbatch_options
from .starting import discard, remove, start, start_together, withdraw

MANIFEST = "manifest.json"
"""File with the hash of every file that was sent; it is sent last."""
RESULTS = ("model", "predictions", "report.html", "metrics.csv", "plan.json", "result.json", "worker.log")
"""What of a job folder comes back."""
CHECKPOINT = f"checkpoints/{LAST_CHECKPOINT}"
"""What comes back of a complete training beside these, so that it can be continued."""
_NO_SPACE = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_POLL_SECONDS = 0.5
_ALIVE_SECONDS = 10.0
_CHUNK = 1 << 20


def hello(folder: str) -> dict[str, Any]:
    """Return what is installed here, and how many jobs run in the folder of this program."""
    from ... import __version__

    jobs, queued = Path(folder, "jobs"), queued_names()
    running = {path.parents[2].name for path in jobs.glob("*/rounds/*/worker.lock") if is_locked(path)}
    running |= {path.name for path in jobs.glob("*") if path.name in queued}
    missing = missing_packages()
    return {"version": __version__, "digest": package_digest(), "running": len(running), "missing": missing}


def hashes(received: str, folder: str) -> dict[str, Any]:
    """Return the SHA-256 of every file received so far, by its relative path, and whether all has got its place."""
    home = Path(received)
    files = {path.relative_to(home).as_posix(): _hash(path) for path in _files(home)}
    return {"files": files, "is_accepted": _is_accepted(received, folder)}


def receive(folder: str) -> dict[str, Any]:
    """Write the files of the tar on standard input into a folder, where a former attempt may have left some."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for entry in archive:
            # By hand: the first releases of Python 3.11 extract whatever a tar says.
            stream, place = archive.extractfile(entry), PurePosixPath(entry.name)
            if stream is None or not entry.isfile() or place.is_absolute() or ".." in place.parts:
                raise UserError(f"{entry.name!r} is no file of a job.", "Update the program on both sides.")
            (home / place).parent.mkdir(parents=True, exist_ok=True)
            with open(home / place, "wb") as file:
                shutil.copyfileobj(stream, file)
    return {}


def accept(received: str, folder: str) -> dict[str, Any]:
    """Give what was received its place when everything is there as it was sent, and say what is missing."""
    if _is_accepted(received, folder):
        return {"missing": []}
    expected = json.loads(Path(received, MANIFEST).read_text(encoding="utf-8"))
    present = hashes(received, folder)["files"]
    missing = [name for name, value in expected.items() if present.get(name) != value]
    if not missing:
        os.replace(received, folder)
    return {"missing": missing}


def watch(folder: str, offset: str) -> dict[str, Any]:
    """Say what happens in a job from a byte of its events on, until its worker ends; `cancel` is read meanwhile.

    When the connection is gone it ends without an answer, and leaves the job alone.
    """
    job, position, said_at = JobFolder(folder), int(offset), 0.0
    queued = SlurmJob(job) if SlurmJob(job).exists() else None
    gone = threading.Event()
    threading.Thread(target=_read_requests, args=(job, queued, gone), daemon=True).start()
    while not gone.is_set():
        # Checked before reading, so that the last events are not lost.
        is_running = job.is_running() if queued is None else queued.goes_on()
        for frame in _news(job, position, queued):
            position, said_at = frame.get("offset", position), time.monotonic()
            _say(frame)
        if not is_running:
            return {"ended": True, "finished": job.is_finished(), **(queued.end() if queued is not None else {})}
        if time.monotonic() - said_at > _ALIVE_SECONDS:
            said_at = time.monotonic()
            _say({})
        gone.wait(_POLL_SECONDS)
    raise BrokenPipeError


def results(folder: str) -> dict[str, Any]:
    """Return size and SHA-256 of every result of a job, by its relative path."""
    home = Path(folder)
    names = [*RESULTS, *([CHECKPOINT] if JobFolder(home).is_finished() else [])]
    paths = (path for name in names for path in _files(home / name))
    return {"files": {path.relative_to(home).as_posix(): [path.stat().st_size, _hash(path)] for path in paths}}


def send(folder: str) -> dict[str, Any]:
    """Write the files that standard input lists, one a line, as a tar."""
    names = sys.stdin.read().splitlines()
    _say({"tar": True})
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name in names:
            archive.add(Path(folder, name), name, recursive=False)
    return {}


def partitions() -> dict[str, Any]:
    """Return a line for each partition of Slurm: name, time limit and cards, with | between."""
    return {"lines": slurm_commands.run("sinfo", "--noheader", "--format=%P|%l|%G").splitlines()}


def trial(*request: str) -> dict[str, Any]:
    """Have Slurm check a request without queueing anything; raises UserError where it would refuse."""
    slurm_commands.run("sbatch", "--test-only", *sbatch_options(SlurmRequest.from_words(request)), "--wrap=true")
    return {}


_COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    command.__name__: command
    for command in (
        hello,
        hashes,
        receive,
        accept,
        start,
        start_together,
        withdraw,
        watch,
        results,
        send,
        remove,
        discard,
        partitions,
        trial,
    )
}


def main(arguments: list[str]) -> int:
    """Run a command and say its answer; what a person can mend is an answer as well."""
    # Nobody else on this machine is to read the images of a study.
    os.umask(0o077)
    name, *values = arguments
    try:
        answer = _COMMANDS[name](*values)
    except UserError as error:
        answer = {"error": error.message, "advice": error.advice, "again": isinstance(error, SlurmAway)}
    except BrokenPipeError:
        # The connection was cut, and nobody listens.
        os._exit(1)
    except OSError as error:
        full = error.errno in _NO_SPACE
        answer = {"error": "The disk is full." if full else f"{error.strerror or error}."}
        answer["advice"] = "Free some space there." if full else "Check the folder there."
    except (tarfile.TarError, EOFError, ValueError):
        # What was sent is cut short: the connection was.
        return 1
    _say(answer)
    return 0


def _news(job: JobFolder, position: int, queued: SlurmJob | None) -> Iterator[dict[str, Any]]:
    """Yield what the queue says, and the lines of events behind a position, each preview before its event."""
    yield from ({"notice": notice} for notice in (queued.notices() if queued is not None else ()))
    try:
        with open(job.events_file, "rb") as file:
            file.seek(position)
            content = file.read(_CHUNK)
    except FileNotFoundError:
        return
    for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
        position += len(line)
        text = line.decode("utf-8", "replace")
        with contextlib.suppress(ValueError):
            event = from_line(text)
            if isinstance(event, PreviewReady):
                yield from _previews(job, event)
            if queued is not None and isinstance(event, Finished | Failed | Cancelled):
                queued.expect_end()
        yield {"event": text, "offset": position}


def _previews(job: JobFolder, event: PreviewReady) -> Iterator[dict[str, Any]]:
    for name in event.files.values():
        path = job.path / name
        if path.is_file():
            yield {"preview": name, "data": base64.b64encode(path.read_bytes()).decode()}


def _read_requests(job: JobFolder, queued: SlurmJob | None, gone: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "cancel":
            job.request_cancel()
            if queued is not None:
                queued.stop = True
    gone.set()


def _is_accepted(received: str, folder: str) -> bool:
    return not Path(received).exists() and Path(folder).exists()


def _files(place: Path) -> Iterator[Path]:
    if place.is_file() and not place.is_symlink():
        yield place
    elif place.is_dir():
        for path in sorted(place.rglob("*")):
            hidden = any(part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(place).parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield path


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(content: dict[str, Any]) -> None:
    sys.stdout.buffer.write(MARK + json.dumps(content).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
