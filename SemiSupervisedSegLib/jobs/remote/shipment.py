"""Jobs that are sent to another machine together, so that the images that they share travel once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ... import __version__
from ..folder import JobFolder
from ..versions import package_digest
from .connection import Connection
from .failures import other_version
from .pseudonyms import Pseudonyms, new_token
from .record import RemoteRecord, keep_record, new_record, read_record


class Shipment:
    """Jobs with the same cases and pseudonyms, which lie beside each other on the other machine.

    Args:
        folders: Folders of the jobs.
        limit: Number of jobs that run at the same time.

    Attributes:
        lock: Held by whoever sends, on whom the others wait.
        limit: Number of jobs that run at the same time.
    """

    def __init__(self, folders: Sequence[JobFolder], limit: int = 1) -> None:
        self.lock = threading.Lock()
        self.limit = limit
        self._is_withdrawn = False
        self._folders = tuple(folders)

    def is_first(self, folder: JobFolder) -> bool:
        """Return whether a job is the first, which speaks for all: of hundreds in a queue nobody reads each turn."""
        return folder.path == self._folders[0].path

    def record(self, folder: JobFolder, machine: str) -> RemoteRecord:
        """Return the record of one of the jobs, after those without one have got one; raises UserError."""
        with self.lock:
            if (known := read_record(folder)) is not None:
                return known
            records = [(other, read_record(other)) for other in self._folders]
            unsent = (record.names for _, record in records if record is not None and not record.is_sent)
            # An attempt that ended in the middle of this has begun with these.
            names = next(unsent, None) or Pseudonyms.of(folder.spec(), new_token())
            made = {other.path: new_record(other, machine, names) for other, record in records if record is None}
        return made[folder.path]

    def unsent(self, names: Pseudonyms) -> list[JobFolder]:
        """Return the jobs of some pseudonyms that are not on the other machine yet; raises UserError."""
        records = ((folder, read_record(folder)) for folder in self._folders)
        return [
            folder for folder, record in records if record and not record.is_sent and record.names.token == names.token
        ]

    def keep_sent(self, folders: Sequence[JobFolder]) -> None:
        """Keep that jobs are on the other machine; raises UserError when that cannot be written."""
        for folder in folders:
            record = read_record(folder)
            if record is not None:
                keep_record(folder, record, is_sent=True)

    def withdraw(self, connection: Connection, job: str) -> None:
        """Take the jobs that have not begun out of the queue of a cluster, once; raises UserError, or Unreachable.

        Args:
            connection: Connection to the machine.
            job: Path there of one of the jobs.
        """
        with self.lock:
            if connection.machine.slurm is not None and not self._is_withdrawn:
                connection.call("withdraw", job)
                self._is_withdrawn = True


def queue_together(connection: Connection, home: str, folders: Sequence[JobFolder], limit: int) -> str:
    """Have a cluster queue several jobs as one array, and return its id; empty where each is started in its turn.

    Args:
        connection: Connection to the machine.
        home: Path there of the folder in which the jobs lie beside each other.
        folders: Folders of the jobs here.
        limit: Number of jobs that run at the same time.

    Raises:
        UserError: The queue refuses them, or another program is there.
        Unreachable: The machine cannot be reached.
    """
    slurm = connection.machine.slurm
    if slurm is None or len(folders) == 1:
        return ""
    names = "\n".join(folder.name for folder in folders)
    words = (str(limit), package_digest(), *slurm.words())
    answer = connection.call("start_together", home, *words, data=names.encode())
    if "other_version" in answer:
        raise other_version(connection.machine, str(answer["other_version"]), __version__)
    return str(answer.get("job", ""))
