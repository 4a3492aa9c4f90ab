"""What Slurm says of its jobs, asked once for all who follow jobs that lie beside each other."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import astuple
from pathlib import Path

from ...study.errors import UserError
from ...study.files import write_text_atomically
from ...study.locking import hold_lock, is_locked
from . import slurm_commands
from .slurm_commands import QueueEntry


class SharedQueue:
    """The answer of Slurm as a file, which whoever finds it too old replaces; hundreds of followers ask as one.

    Args:
        home: Folder in which the jobs lie.
    """

    def __init__(self, home: Path) -> None:
        self._file, self._lock = home / "queue.json", home / "queue.lock"

    def find(self, job_id: str, age: float) -> QueueEntry | None:
        """Return a job as Slurm has had it in the last seconds; None while another process asks.

        Args:
            job_id: Id of the job; one that the kept answer does not have is asked for.
            age: Seconds that the answer may be old.

        Raises:
            SlurmAway: Slurm does not answer now.
        """
        known = self._kept(age)
        if job_id in known:
            return known[job_id]
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(self._lock, "The queue"))
            except UserError:
                if is_locked(self._lock):
                    return None
            # Another process may have asked while this one waited.
            known = self._kept(age)
            return known[job_id] if job_id in known else slurm_commands.find(job_id, self._ask())

    def _ask(self) -> list[QueueEntry]:
        asked = time.time()
        entries = slurm_commands.entries()
        # On a full disk each asks for itself.
        with contextlib.suppress(UserError):
            write_text_atomically(self._file, json.dumps({"asked": asked, "entries": list(map(astuple, entries))}))
        return entries

    def _kept(self, age: float) -> dict[str, QueueEntry]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            # The clock may have been set back.
            if not 0 <= time.time() - kept["asked"] <= age:
                return {}
            entries = (QueueEntry(*fields) for fields in kept["entries"])
            return {entry.id: entry for entry in entries}
        except (OSError, ValueError, TypeError, KeyError):
            return {}
