"""One job on another machine, from its files here to its results here; a connection that is cut is no failure."""

from __future__ import annotations

import itertools
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ... import __version__
from ...study.errors import UserError
from ..event_text import format_duration
from ..events import Cancelled, CheckpointSaved, Event, Failed, Finished, Progress, StageStarted, StepDone, from_line
from ..folder import JobFolder, State
from ..outcome import Outcome, determine_outcome
from ..versions import package_digest
from .arrivals import Arrivals
from .connection import Connection, Session, check_answer
from .failures import Unreachable, other_version
from .parcel import write_parcel
from .pseudonyms import in_json
from .record import keep_record, remove_record
from .same_program import check_version
from .shipment import Shipment, queue_together

SEND = "send"
"""Name of the stage in which images are sent to another machine."""
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between attempts to connect; the last one is repeated."""
_STATUS_SECONDS = 1.0
_STATES: dict[str, State] = {"finished": "finished", "stopped": "cancelled", "failed": "failed"}
Result = TypeVar("Result")


class Detached(Exception):  # noqa: N818 - a request, not an error
    """This program was asked to leave; the job goes on there."""


class _NotSent(Exception):  # noqa: N818 - a request, not an error
    """A stop was requested before the job was there."""


class RemoteRun:
    """Sends a job, starts it, follows it and fetches its results; what was done already is not done again.

    Args:
        folder: Folder of the round; its files are those of a round on this computer.
        connection: Connection to the machine.
        tell: Function that takes sentences about the connection.
        pauses: Seconds between attempts to connect.
        shipment: Jobs that are sent together with this one; None for this one alone.
    """

    def __init__(
        self,
        folder: JobFolder,
        connection: Connection,
        tell: Callable[[str], None],
        pauses: Sequence[float] = PAUSES,
        shipment: Shipment | None = None,
    ) -> None:
        self._folder, self._connection, self._tell, self._pauses = folder, connection, tell, pauses
        machine = connection.machine.name
        self._shipment = shipment or Shipment([folder])
        self._record = self._shipment.record(folder, machine)
        if self._record.machine != machine:
            raise UserError(
                f"The round {folder.name} runs on {self._record.machine}.", f"Use --on {self._record.machine}."
            )
        self._home = connection.machine.place("jobs", self._record.names.token)
        self._job = f"{self._home}/rounds/{folder.name}"
        self._arrivals = Arrivals(folder, self._record.names)
        self._cancel, self._leave = threading.Event(), threading.Event()
        self._session: Session | None = None
        self._session_lock = threading.Lock()
        self._events: list[Event] = []
        self._last: list[Event] = []
        self._status_at = 0.0

    def cancel(self) -> None:
        """Request that the job saves what it learned and ends; said once, however often it is requested."""
        if self._cancel.is_set():
            return
        self._cancel.set()
        with self._session_lock:
            if self._session is not None:
                self._request(self._session)

    def detach(self) -> None:
        """Leave the job alone, which goes on there."""
        self._leave.set()
        self._connection.close()

    def send_and_start(self) -> None:
        """Bring the job there and start it; raises UserError, or Detached."""
        if not self._record.is_sent:
            self._persist(self._send)
        answer = self._persist(self._start)
        if "other_version" in answer:
            raise other_version(self._connection.machine, str(answer["other_version"]), __version__)
        if "job" in answer:
            self._tell(f"Job {answer['job']} was given to {self._connection.machine.name}.")

    def run(self) -> Outcome:
        """Do all of it and return how the job ended; raises UserError, or Detached where it was left alone."""
        self._write_status("running")
        try:
            self.send_and_start()
        except _NotSent:
            self._write_status("cancelled", message="It was not started.")
            return Outcome("stopped", "It was not started.")
        self._persist(self._watch)
        self._persist(self._fetch)
        for event in self._last:
            self._folder.append_event(event)
        outcome = determine_outcome(self._folder, None, [*self._events, *self._last])
        self._write_status(_STATES[outcome.kind], step=outcome.step, message=outcome.message)
        if outcome.kind == "finished":
            self._forget()
        return outcome

    def _persist(self, step: Callable[[], Result]) -> Result:
        """Do a step of the work, again whenever the connection was cut, after growing pauses."""
        for pause in itertools.chain(self._pauses, itertools.repeat(self._pauses[-1])):
            try:
                return step()
            except Unreachable as error:
                if self._leave.is_set():
                    raise Detached from error
                if self._cancel.is_set() and not self._record.is_sent:
                    raise _NotSent from error
                self._tell(f"{error.message} Trying again in {format_duration(pause)}.")
                if self._leave.wait(pause):
                    raise Detached from error
        raise AssertionError("attempts do not end")

    def _send(self) -> None:
        with self._shipment.lock:
            together = self._shipment.unsent(self._record.names)
            # Another one of the shipment may have been faster.
            if self._folder.path in [folder.path for folder in together]:
                self._send_together(together)
                if job := queue_together(self._connection, self._home, together, self._shipment.limit):
                    self._tell(f"{len(together)} jobs were given to {self._connection.machine.name} as array {job}.")
                self._shipment.keep_sent(together)
        self._record = replace(self._record, is_sent=True)

    def _send_together(self, folders: Sequence[JobFolder]) -> None:
        # Before anything large is sent in vain.
        check_version(self._connection)
        received = f"{self._home}.part"
        answer = self._connection.call("hashes", received, self._home)
        if answer["is_accepted"]:
            return
        self._begin(SEND, "Sending images to", len(self._folder.spec().cases))
        with self._connection.far_end("receive", received) as session:
            try:
                write_parcel(folders, self._record.names, answer["files"], session.input, self._on_sent)
                session.input.close()
            except (BrokenPipeError, ConnectionResetError):
                # Why nothing more was taken, the answer or the exit code says.
                pass
            answers = list(session.lines())
        check_answer(self._connection.machine, answers)
        missing = self._connection.call("accept", received, self._home)["missing"]
        if missing:
            raise Unreachable(f"{len(missing)} files arrived damaged.", "Try it again.")

    def withdraw(self) -> None:
        """Take what was sent with this job, and has not begun, out of the queue of a cluster; raises UserError."""
        if self._record.is_sent:
            self._persist(lambda: self._shipment.withdraw(self._connection, self._job))

    def _start(self) -> dict[str, Any]:
        slurm = self._connection.machine.slurm
        request = () if slurm is None else slurm.words()
        return self._connection.call("start", self._job, str(self._record.offset), package_digest(), *request)

    def _begin(self, stage: str, title: str, total: int) -> None:
        self._folder.append_event(StageStarted(stage, f"{title} {self._connection.machine.name}", total))

    def _on_sent(self, done: int, total: int) -> None:
        if self._cancel.is_set():
            raise _NotSent
        self._folder.append_event(Progress(SEND, done, total))

    def _watch(self) -> None:
        with self._connection.far_end("watch", self._job, str(self._record.offset)) as session:
            with self._session_lock:
                self._session = session
                if self._cancel.is_set():
                    self._request(session)
            try:
                for frame in session.lines():
                    if self._take(frame):
                        return
            finally:
                with self._session_lock:
                    self._session = None
        raise Unreachable(f"The connection to {self._connection.machine.name} was cut.", "Try it again.")

    def _take(self, frame: dict[str, Any]) -> bool:
        """Take a message of the far end in, and return whether it was the last."""
        if "error" in frame:
            check_answer(self._connection.machine, [frame])
        if "preview" in frame:
            self._arrivals.write_preview(frame["preview"], frame["data"])
        if "event" in frame:
            event = self._read(frame["event"])
            # The results of a finished job are here before anybody hears of them.
            if isinstance(event, Finished):
                self._last.append(event)
            else:
                if event is not None:
                    self._note(event)
                self._record = keep_record(self._folder, self._record, offset=int(frame["offset"]))
        if "notice" in frame:
            self._write_status("running", message=frame["notice"])
            if self._shipment.is_first(self._folder):
                self._tell(frame["notice"])
        if frame.get("ended"):
            self._note_end(frame)
        return bool(frame.get("ended"))

    def _note_end(self, frame: dict[str, Any]) -> None:
        """Add the end of a job that its worker could not report itself."""
        if any(isinstance(event, Cancelled | Failed) for event in self._events):
            return
        # Another job of the array may have withdrawn it before the request to stop was there.
        if frame.get("stopped") or (frame.get("gone") and self._cancel.is_set()):
            saved = [event.step for event in self._folder.events()[0] if isinstance(event, CheckpointSaved)]
            self._last.append(Cancelled(saved[-1] if saved else 0))
        elif "failure" in frame:
            self._last.append(Failed(str(frame["failure"]), str(frame.get("advice", ""))))

    def _read(self, line: str) -> Event | None:
        try:
            return from_line(self._record.names.restore(line, in_json))
        except ValueError:
            # A line that a killed worker left half-written.
            return None

    def _note(self, event: Event) -> None:
        self._events.append(self._folder.append_event(event))
        if time.monotonic() - self._status_at < _STATUS_SECONDS:
            return
        match event:
            case StageStarted():
                self._write_status("running", event.name, total=event.steps)
            case StepDone():
                self._write_status("running", event.stage, event.step, event.total_steps)
            case Progress():
                self._write_status("running", event.stage, event.done, event.total)

    def _write_status(self, state: State, stage: str = "", step: int = 0, total: int = 0, message: str = "") -> None:
        self._status_at = time.monotonic()
        text = message or f"Runs on {self._connection.machine.name}."
        self._folder.write_status(state, stage=stage, step=step, total=total, message=text)

    def _fetch(self) -> None:
        expected = self._connection.call("results", self._job)["files"]
        names = self._arrivals.missing(expected)
        if names:
            self._begin("fetch", "Fetching results from", len(names))
            with self._connection.far_end("send", self._job) as session:
                session.input.write("\n".join(names).encode())
                session.input.close()
                next(session.lines(), None)
                try:
                    with tarfile.open(fileobj=session.output, mode="r|") as archive:
                        self._arrivals.receive(archive, expected)
                except tarfile.TarError:
                    # It is cut short; why, the exit code says.
                    session.kill()
            if self._arrivals.missing(expected):
                raise Unreachable("Some files arrived damaged.", "Try it again.")
        self._arrivals.put_in_place(expected)

    def _forget(self) -> None:
        """Remove what lies there of a complete round."""
        self._persist(lambda: self._connection.call("remove", self._home, self._folder.name))
        remove_record(self._folder)

    def _request(self, session: Session) -> None:
        try:
            session.input.write(b"cancel\n")
            session.input.flush()
        except OSError:
            # It was cut; the request is repeated with the next connection.
            return
