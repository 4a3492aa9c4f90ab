"""The commands of Slurm, of whose output only fields with a separator between are read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ...study.errors import UserError

_SECONDS = 60.0
_PLAIN = {
    "Invalid generic resource (gres) specification": "the cluster has no graphics cards that a job can ask for",
    "Requested node configuration is not available": "no node has so many cards, so many cores or so much memory",
}
UNKNOWN = "UNKNOWN"
"""State of a job that Slurm has forgotten, and of which it keeps no account."""


@dataclass(frozen=True)
class QueueEntry:
    """A job as Slurm has it: id, state such as PENDING, the reason for a state of waiting, and name."""

    id: str
    state: str
    reason: str
    name: str


class SlurmRefused(UserError):  # noqa: N818 - it says what is the case, like its base
    """A command of Slurm failed."""


class SlurmAway(UserError):  # noqa: N818 - it says what is the case, like its base
    """Slurm does not answer now; its jobs go on."""


def run(*command: str) -> str:
    """Run a command and return what it prints; raises UserError where there is none, SlurmRefused or SlurmAway."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise UserError(
            f"There is no Slurm: its command {command[0]} is not found.",
            "Choose a machine that submits jobs, and let logins without a terminal have Slurm on their PATH.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise _away() from error
    if done.returncode:
        raise refusal(done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace")


def refusal(said: str) -> SlurmRefused:
    """Return the error of a command of Slurm that failed, from what it printed as errors."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # "sbatch: error: Batch job submission failed: Invalid partition name specified"
    reason = re.split(r"(?:error|failed|failure): ", lines[-1])[-1] if lines else "no reason was given"
    return SlurmRefused(
        f"Slurm refuses the job: {_PLAIN.get(reason, reason).rstrip('.')}.",
        "Change what the machine asks for (machine add).",
    )


def entries(*filters: str) -> list[QueueEntry]:
    """Return the jobs of this user that Slurm remembers, ended ones for some minutes; raises SlurmAway."""
    try:
        said = run("squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i|%T|%r|%j", *filters)
    except SlurmRefused as error:
        raise _away() from error
    return [QueueEntry(*line.split("|", 3)) for line in said.splitlines() if line.count("|") >= 3]


def find(job_id: str, known: Sequence[QueueEntry] | None = None) -> QueueEntry:
    """Return a job, with the state UNKNOWN where Slurm has forgotten it; raises SlurmAway.

    Args:
        job_id: Id of the job.
        known: What `entries` returned just now; None to ask.
    """
    found = {entry.id: entry for entry in (entries() if known is None else known)}
    return found.get(job_id) or QueueEntry(job_id, _accounted(job_id), "", "")


def _accounted(job_id: str) -> str:
    """Return how a job ended long ago, UNKNOWN where Slurm keeps no account."""
    try:
        said = run("sacct", "--noheader", "--parsable2", f"--jobs={job_id}", "--format=State")
    except UserError:
        return UNKNOWN
    # CANCELLED has the user behind it. A step that ran out of memory says more than its job.
    states = [line.split()[0] for line in said.splitlines() if line.strip()]
    return "OUT_OF_MEMORY" if "OUT_OF_MEMORY" in states else next(iter(states), UNKNOWN)


def _away() -> SlurmAway:
    return SlurmAway("Slurm does not answer.", "Try it again later.")
