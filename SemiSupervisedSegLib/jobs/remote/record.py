"""What a round keeps of the machine it runs on, until its results are here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from ...study.errors import UserError
from ...study.files import write_text_atomically
from ..comparison import Comparison
from ..folder import JobFolder
from ..records import from_plain, to_plain
from .pseudonyms import Pseudonyms, new_token

_FILE, _OFFSET = "remote.json", "remote.offset"


@dataclass(frozen=True)
class RemoteRecord:
    """Where a round runs, and what its cases are called there.

    Attributes:
        machine: Name of the machine.
        names: Pseudonyms of the job.
        job: Hash of job.json of the round they belong to.
        offset: Number of bytes of the events there that are here already; remote.offset has it.
        is_sent: Whether everything that the job needs lies there.
    """

    machine: str
    names: Pseudonyms
    job: str
    offset: int = 0
    is_sent: bool = False


def new_record(folder: JobFolder, machine: str, names: Pseudonyms | None = None) -> RemoteRecord:
    """Make and keep the record of a round that is to run on a machine.

    Args:
        folder: Folder of the round.
        machine: Name of the machine.
        names: Pseudonyms, None for new ones.

    Raises:
        UserError: The record cannot be written.
    """
    names = names or Pseudonyms.of(folder.spec(), new_token())
    return keep_record(folder, RemoteRecord(machine, names, _digest(folder)))


def keep_record(folder: JobFolder, record: RemoteRecord, **changes: int | bool) -> RemoteRecord:
    """Write a record with some changes and return it; raises UserError when it cannot be written."""
    record = replace(record, **changes)  # type: ignore[arg-type]
    # It changes with every event, and the names of thousands of cases take long to write.
    write_text_atomically(folder.path / _OFFSET, f"{record.offset}\n")
    if changes.keys() != {"offset"}:
        write_text_atomically(_path(folder), json.dumps(to_plain(record), indent=2) + "\n")
    return record


def read_record(folder: JobFolder) -> RemoteRecord | None:
    """Return the record of a round, None where it runs on no other machine.

    Raises:
        UserError: It is damaged, or belongs to another round: results come back only into the study they came from.
    """
    try:
        record = from_plain(RemoteRecord, json.loads(_path(folder).read_text(encoding="utf-8")))
        record.names.check()
        record = replace(record, offset=_offset(folder, record))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{_FILE} of the round {folder.name} is damaged.", "Start a new round.") from error
    if record.job != _digest(folder):
        raise UserError(
            f"{_FILE} of the round {folder.name} belongs to another job.", "Follow the round in its own study."
        )
    return record


def machine_of(folder: JobFolder) -> str | None:
    """Return the name of the machine on which a round runs or was stopped; None for this computer."""
    record = read_record(folder)
    return None if record is None else record.machine


def kept_machine(folder: JobFolder) -> str:
    """Return the machine on which a round runs or was stopped, empty for this computer or where that is damaged.

    A comparison says itself where its trainings run.
    """
    try:
        return folder.request().machine if isinstance(folder, Comparison) else machine_of(folder) or ""
    except UserError:
        return ""


def is_elsewhere(folder: JobFolder) -> bool:
    """Return whether a round keeps that it runs on another machine, or was stopped there; nothing is checked."""
    return _path(folder).exists()


def has_trainings_elsewhere(comparison: Comparison) -> bool:
    """Return whether trainings of a comparison were given to another machine; raises UserError."""
    return any(is_elsewhere(training.folder) for training in comparison.trainings())


def goes_on_elsewhere(folder: JobFolder) -> bool:
    """Return whether a round or comparison was left running on another machine, or results were not fetched yet.

    That is what its files here say; one that was to be stopped is left to the user.
    """
    if not (isinstance(folder, Comparison) or is_elsewhere(folder)) or folder.cancel_requested():
        return False
    try:
        is_left = folder.status().state in ("waiting", "running")
        return is_left and (not isinstance(folder, Comparison) or has_trainings_elsewhere(folder))
    except UserError:
        return False


def remove_record(folder: JobFolder) -> None:
    """Forget where a round ran, whose results are here."""
    _path(folder).unlink(missing_ok=True)
    (folder.path / _OFFSET).unlink(missing_ok=True)


def check_here(folder: JobFolder) -> None:
    """Raise UserError when a round runs on another machine and must not be worked at here."""
    machine = machine_of(folder)
    if machine is not None:
        raise UserError(
            f"The round {folder.name} runs on {machine}, or was stopped there.",
            f"Follow or continue it with: semi-supervised-seg train STUDY --resume {folder.name} --on {machine}.",
        )


def _path(folder: JobFolder) -> Path:
    return folder.path / _FILE


def _offset(folder: JobFolder, record: RemoteRecord) -> int:
    try:
        return int((folder.path / _OFFSET).read_text(encoding="ascii"))
    except FileNotFoundError:
        return record.offset


def _digest(folder: JobFolder) -> str:
    try:
        return hashlib.sha256(folder.spec_file.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"There is no job in {folder.path}.", "Choose the folder of a round.") from error
