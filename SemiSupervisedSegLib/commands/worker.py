"""`worker`: do a job. Started by the other commands and by the panel, not by people."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time
from pathlib import Path

from ..jobs.comparison import Comparison
from ..jobs.folder import JobFolder
from ..jobs.launcher import QUEUE_SIGNAL
from ..jobs.machines import find_machine
from ..jobs.parent import watch_parent
from ..jobs.remote.executor import SshExecutor
from ..jobs.remote.record import check_here
from ..jobs.shared_processor import share_processor
from ..study.errors import UserError
from .run_there import work_there

_GRACE_SECONDS = 120.0


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("worker", help="do a job (used by the other commands)")
    parser.add_argument("--job", required=True, type=Path, metavar="FOLDER", help="job folder with a job.json")
    parser.add_argument("--detached", action="store_true", help="continue when the process that started this one ends")
    parser.add_argument(
        "--shared", action="store_true", help="leave a core free and run at a lower priority, beside other programs"
    )
    parser.add_argument(
        "--queued", action="store_true", help="a signal is no stop but a pause: a queue starts the job again"
    )
    parser.add_argument("--on", metavar="MACHINE", help="let another machine do it, and follow it to its end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run a job and return the exit code; raises UserError when there is none."""
    folder = JobFolder(options.job) if options.on else _open(options.job)
    request = folder.request_pause if options.queued else folder.request_cancel
    for number in (signal.SIGINT, signal.SIGTERM, *([QUEUE_SIGNAL] if options.queued else [])):
        signal.signal(number, lambda *_: request())
    if not options.detached:
        watch_parent(lambda: _stop(folder))
    if options.shared:
        share_processor()
    if options.on:
        return work_there(folder, SshExecutor(find_machine(options.on)))

    if isinstance(folder, Comparison):
        from ..engine.worker.compare_job import main as compare

        # PyTorch is left to the workers that it starts.
        return compare(folder.path)

    from ..engine.worker.worker import main

    return main(folder.path)


def _open(path: Path) -> JobFolder:
    """Return the job in a folder; raises UserError where there is none or it is damaged."""
    comparison = Comparison(path)
    if comparison.exists():
        comparison.request()
        return comparison
    folder = JobFolder(path)
    folder.spec()
    check_here(folder)
    return folder


def _stop(folder: JobFolder) -> None:
    # A request that cannot be written to a full disk must not keep the device busy.
    with contextlib.suppress(UserError):
        folder.request_cancel()
    time.sleep(_GRACE_SECONDS)
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
