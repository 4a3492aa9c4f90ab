"""Many jobs on another machine, some at the same time, behind the interface of the queue on this computer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path

from ...study.errors import UserError
from ..events import Event
from ..executor import JobState
from ..folder import JobFolder
from ..machines import Machine
from ..outcome import Outcome
from .connection import Connection
from .deletion import LeftThere, later, remember
from .parcel import check_can_travel
from .record import read_record
from .remote_run import PAUSES, Detached, RemoteRun
from .same_program import check_version
from .shipment import Shipment


class SshExecutor:
    """Runs jobs on a workstation or a cluster, in threads of its own, so that no call waits for the network.

    Args:
        machine: Machine.
        pauses: Seconds between attempts to connect after the connection was cut.
        limit: Number of jobs that run there at the same time.
    """

    def __init__(self, machine: Machine, pauses: Sequence[float] = PAUSES, limit: int = 1) -> None:
        self.machine = machine
        self._pauses, self._limit = pauses, limit
        self._waiting: queue.SimpleQueue[JobFolder | None] = queue.SimpleQueue()
        self._notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._offsets: dict[Path, int] = {}
        self._states: dict[Path, JobState] = {}
        self._shipments: dict[Path, Shipment] = {}
        self._outcomes: dict[Path, Outcome] = {}
        self._running: set[RemoteRun] = set()
        self._lock = threading.Lock()
        self._cancelled = self._left = False
        self._threads: list[threading.Thread] = []

    def check(self) -> None:
        """Raise UserError when the machine cannot be reached now, or does not have the program of this computer."""
        check_version(Connection(self.machine))

    def submit(self, folder: JobFolder) -> None:
        """Append a job, which holds the lock of its folder here while it is followed."""
        self._states[folder.path] = "waiting"
        self._offsets[folder.path] = folder.end_of_events()
        self._waiting.put(folder)
        if len(self._threads) < self._limit:
            thread = threading.Thread(target=self._work, name=f"jobs on {self.machine.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit_together(self, folders: Sequence[JobFolder]) -> None:
        """Append jobs with the same cases, whose images are sent once."""
        shipment = Shipment(folders, self._limit)
        for folder in folders:
            # A stop of an earlier run.
            folder.clear_cancel()
            self._shipments[folder.path] = shipment
            self.submit(folder)

    def state(self, folder: JobFolder) -> JobState:
        """Return how far a submitted job is; a stop that was requested in its folder here is passed on."""
        if self._states[folder.path] == "running" and folder.cancel_requested():
            self.cancel()
        return self._states[folder.path]

    def events(self, folder: JobFolder) -> list[Event]:
        """Return the events of a submitted job since the last call."""
        events, self._offsets[folder.path] = folder.events(self._offsets[folder.path])
        return events

    def outcome(self, folder: JobFolder) -> Outcome:
        """Return how a job ended, whose state says that it did."""
        return self._outcomes[folder.path]

    def forget(self, folder: JobFolder) -> None:
        """Remove what a job that has ended and is given up has left there; where that fails, a notice says when."""
        record = read_record(folder)
        if record is None:
            return
        home = self.machine.place("jobs", record.names.token)
        try:
            Connection(self.machine).call("remove", home, folder.name)
        except UserError as error:
            remember([LeftThere(self.machine.name, record.names.token, folder.name)])
            self._notices.put(f"{error.message} {later(self.machine.name)}")

    def notices(self) -> list[str]:
        """Return what there is to say of the connection since the last call."""
        return [self._notices.get_nowait() for _ in range(self._notices.qsize())]

    def cancel(self) -> None:
        """Start no further job, and request that running ones save what they learned and end."""
        with self._lock:
            self._cancelled = True
            for run in self._running:
                run.cancel()

    def detach(self) -> None:
        """Leave running jobs alone, which go on there, and start no further one; waits for the last file here."""
        with self._lock:
            self._cancelled = self._left = True
            for run in self._running:
                run.detach()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def send(self, folder: JobFolder) -> None:
        """Send a job and start it there without following it; raises UserError when that fails."""
        check_can_travel(folder.spec())
        with folder.lock():
            RemoteRun(folder, Connection(self.machine), self._notices.put, self._pauses).send_and_start()
            folder.write_status("running", message=f"Runs on {self.machine.name}.")

    def _work(self) -> None:
        while not self._left and (folder := self._waiting.get()) is not None:
            outcome = self._run(folder)
            if outcome is not None:
                self._outcomes[folder.path] = outcome
                self._states[folder.path] = outcome.kind

    def _run(self, folder: JobFolder) -> Outcome | None:
        """Run a job and return how it ended, None where it was left alone."""
        run: RemoteRun | None = None
        try:
            check_can_travel(folder.spec())
            with folder.lock():
                shipment = self._shipments.get(folder.path)
                run = RemoteRun(folder, Connection(self.machine), self._notices.put, self._pauses, shipment)
                with self._lock:
                    is_cancelled = self._cancelled
                    if not is_cancelled:
                        self._running.add(run)
                if is_cancelled:
                    run.withdraw()
                    return Outcome("stopped", "It was not started.")
                self._states[folder.path] = "running"
                return run.run()
        except UserError as error:
            return Outcome("failed", error.message, error.advice)
        except Detached:
            return None
        finally:
            with self._lock:
                if run is not None:
                    self._running.discard(run)
