"""What states of Slurm mean to the user: why a job waits, and why it ended."""

from __future__ import annotations

from .slurm_commands import UNKNOWN, QueueEntry

_WAITING = {
    "None": "",
    "Resources": "until enough of the cluster is free",
    "Priority": "behind jobs of higher priority",
    "BeginTime": "and is started again in about two minutes",
    "ReqNodeNotAvail": "for nodes that are not available now",
    "PartitionTimeLimit": "for ever, because the partition allows less time than it asks for",
    "PartitionDown": "until the partition is up again",
}
_RESUME = "Resume the round; it goes on from its checkpoint."
_ENDS = {
    "TIMEOUT": (
        "was ended by the time limit again and again",
        "Change the time of the machine (machine add --time), then resume the round.",
    ),
    "DEADLINE": ("was ended by the deadline of the cluster", _RESUME),
    "PREEMPTED": ("had to give its place to others again and again", _RESUME),
    "NODE_FAIL": ("lost its node again and again", _RESUME),
    "BOOT_FAIL": ("found no node that starts", _RESUME),
    "OUT_OF_MEMORY": (
        "needed more main memory than it was given",
        "Change the memory of the machine (machine add --memory), then resume the round.",
    ),
    "CANCELLED": ("was cancelled on the cluster", _RESUME),
    UNKNOWN: ("is no longer known to Slurm, and how it ended was not kept", _RESUME),
}


def describe_wait(entry: QueueEntry) -> str:
    """Return a sentence on a job that is in the queue."""
    if entry.state == "RUNNING":
        return f"Job {entry.id} runs."
    if entry.state != "PENDING":
        return f"Job {entry.id} is {entry.state.lower().replace('_', ' ')}."
    # The names of nodes may follow.
    reason = entry.reason.split(",")[0]
    return f"Job {entry.id} waits in the queue {_WAITING.get(reason, f'({reason})')}".rstrip() + "."


def describe_end(job_id: str, state: str, last_line: str) -> tuple[str, str]:
    """Return what ended a job and what to do about it.

    Args:
        job_id: Id of the job.
        state: State in which Slurm has the job.
        last_line: Last line of what the job printed as errors.
    """
    what, advice = _ENDS.get(state, (f"ended before its work was done: {last_line or state}".rstrip("."), _RESUME))
    return f"Job {job_id} {what}.", advice
