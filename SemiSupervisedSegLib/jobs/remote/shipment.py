"""Jobs that are sent to another machine together, so that the images that they share travel once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..folder import JobFolder
from .pseudonyms import Pseudonyms, new_token
from .record import RemoteRecord, keep_record, new_record, read_record


class Shipment:
    """Jobs with the same cases and pseudonyms, which lie beside each other on the other machine.

    Attributes:
        lock: Held by whoever sends, on whom the others wait.

    Args:
        folders: Folders of the jobs.
    """

    def __init__(self, folders: Sequence[JobFolder]) -> None:
        self.lock = threading.Lock()
        self._folders = tuple(folders)

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
