"""Rounds that were deleted here and still lie on another machine: remembered until they are deleted there as well."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...study.errors import UserError
from ...study.files import write_text_atomically
from ...study.locking import hold_lock
from ..folder import JobFolder
from ..machines import Machine, configuration_file
from ..records import from_plain, to_plain
from .connection import Connection
from .record import is_elsewhere, read_record


@dataclass(frozen=True)
class LeftThere:
    """A job that lies on a machine and on this computer no more.

    Attributes:
        machine: Name of the machine.
        token: Name of the folder there of the jobs that were sent together.
        job: Name of the folder of the job.
    """

    machine: str
    token: str
    job: str


def left_by(folder: Path) -> Iterator[LeftThere | None]:
    """Yield what the jobs of a round or comparison have on other machines; None for each that has nothing there."""
    for job in map(JobFolder, (folder, *folder.glob("*/"))):
        left = None
        # What a damaged record meant nobody knows.
        with contextlib.suppress(UserError):
            if is_elsewhere(job) and (record := read_record(job)) is not None:
                left = LeftThere(record.machine, record.names.token, job.name)
        yield left


def remember(left: Collection[LeftThere]) -> None:
    """Keep what is to be deleted on other machines; raises UserError when that cannot be written."""
    if left:
        _change(added=left)


def delete_there(machine: Machine) -> str:
    """Stop and delete on a machine what is remembered, and return a sentence on that, empty where there is nothing.

    Raises:
        UserError: Something stays there, and is remembered.
    """
    left = [item for item in _read() if item.machine == machine.name]
    if not left:
        return ""
    names = {f"{item.token}/{item.job}": item for item in left}
    try:
        answer = Connection(machine).call("discard", machine.place("jobs"), data="\n".join(names).encode())
        _change(removed=[item for name, item in names.items() if name not in answer["running"]])
        if answer["running"]:
            raise UserError(f"{len(answer['running'])} deleted jobs still run on {machine.name}.", "")
    except UserError as error:
        raise UserError(error.message, f"{error.advice} {later(machine.name)}".strip()) from error
    return f"What was deleted here is deleted on {machine.name} as well."


def later(machine: str) -> str:
    """Return when what stays on a machine is deleted."""
    return f"What lies there is deleted with the next test of the connection to {machine}."


def _change(added: Collection[LeftThere] = (), removed: Collection[LeftThere] = ()) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(path.with_suffix(".lock"), "The list of deleted rounds"):
        kept = dict.fromkeys(item for item in (*_read(), *added) if item not in removed)
        write_text_atomically(path, json.dumps(to_plain(tuple(kept)), indent=2) + "\n")


def _read() -> list[LeftThere]:
    try:
        return [from_plain(LeftThere, item) for item in json.loads(_path().read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        # There is none before the first; one that is damaged is of no use.
        return []


def _path() -> Path:
    return configuration_file().with_name("deleted.json")
