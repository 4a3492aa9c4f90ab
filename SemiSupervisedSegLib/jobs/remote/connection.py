"""Commands on another machine by the system's own ssh, with the user's keys, agents and configuration.

Nothing of that configuration is weakened: hosts are known or refused as the user has it, and no password is asked for.
Where this computer submits jobs to a cluster itself, its shell stands for ssh, and this very program for that there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ...study.errors import UserError
from ..launcher import worker_environment
from ..machines import Machine
from .failures import Unreachable, explain

_OPTIONS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=3")
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
FAR_END = f"{__package__}.far_end"
MARK = b"semi-supervised-seg:"
"""Begin of the lines that are meant for this program; files of the login may print others before."""


class Session:
    """A running command on another machine."""

    def __init__(self, machine: Machine, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._machine, self._process, self._said = machine, process, said
        self.input, self.output = process.stdin, process.stdout

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what the far end says, until it has said all."""
        for line in self.output:
            # A line without its end is what a cut connection left.
            if line.startswith(MARK) and line.endswith(b"\n"):
                yield json.loads(line[len(MARK) :])

    def end(self) -> None:
        """Wait for the end; raises UserError when the command failed, Unreachable when the connection did."""
        self._close_input()
        code = self._process.wait()
        if code:
            self._said.seek(0)
            raise explain(self._machine, code, self._said.read().decode("utf-8", "replace"))

    def kill(self) -> None:
        """End the connection at once."""
        if self._machine.is_here and self._process.poll() is None:
            # What the shell has started would keep the pipes open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _close_input(self) -> None:
        # Writing to a connection that was cut fails; why, its exit code says.
        with contextlib.suppress(OSError):
            self.input.close()


class Connection:
    """Runs commands on one machine, each over a connection of its own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def session(self, *command: str) -> Iterator[Session]:
        """Run a command, whose words need no quotes, during the block.

        Raises:
            UserError: There is no ssh here, the machine refuses, or the command fails.
            Unreachable: The machine cannot be reached, or the connection was cut.
        """
        # Not a pipe: a connection that the user's configuration shares between commands would keep it open.
        with tempfile.TemporaryFile() as said:
            session = Session(self.machine, self._start(command, said), said)
            with self._registered(session):
                try:
                    yield session
                except (BrokenPipeError, ConnectionResetError):
                    session.end()
                    raise
                session.end()

    def run(self, *command: str, data: bytes = b"") -> str:
        """Run a command and return what it prints; raises UserError as `session` does."""
        with self.session(*command) as session:
            session.input.write(data)
            session.input.close()
            return session.output.read().decode("utf-8", "replace")

    def python(self, *command: str) -> tuple[str, ...]:
        """Return the words that run the Python of this program there; the home folder is not searched for modules."""
        python = shlex.quote(sys.executable) if self.machine.is_here else self.machine.place("venv", "bin", "python")
        return (python, "-P", *command)

    def far_end(self, *command: str) -> contextlib.AbstractContextManager[Session]:
        """Return the block in which the far end runs a command; raises UserError as `session` does."""
        return self.session(*self.python("-m", FAR_END, *command))

    def call(self, *command: str, data: bytes = b"") -> dict[str, Any]:
        """Let the far end do something and return its answer; raises UserError as `session` does."""
        with self.far_end(*command) as session:
            session.input.write(data)
            session.input.close()
            answers = list(session.lines())
        return check_answer(self.machine, answers)

    def close(self) -> None:
        """End all connections, now and from now on; what runs there goes on."""
        with self._lock:
            self._closed = True
            for session in self._sessions:
                session.kill()

    @contextlib.contextmanager
    def _registered(self, session: Session) -> Iterator[None]:
        with self._lock:
            self._sessions.add(session)
            if self._closed:
                session.kill()
        try:
            yield
        finally:
            with self._lock:
                self._sessions.discard(session)
            session.kill()
            session._process.wait()
            session._close_input()
            session.output.close()

    def _start(self, command: tuple[str, ...], said: IO[bytes]) -> subprocess.Popen[bytes]:
        options = [word for option in _OPTIONS for word in ("-o", option)]
        words = ["ssh", *options, self.machine.host, *command]
        # In a group of its own, so that Ctrl-C in a terminal asks this program and cuts no connection.
        group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            # Without a terminal of its own, which would open where this program has none.
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        group["env"] = system_environment(os.environ)
        if self.machine.is_here:
            # As ssh has it done there.
            words, group = ["sh", "-c", " ".join(command)], {**group, "cwd": Path.home(), "env": worker_environment()}
        try:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, **group)
        except OSError as error:
            raise UserError(
                "The program ssh cannot be started on this computer.",
                "Install OpenSSH; on Windows it is an optional feature of the system.",
            ) from error


def system_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for programs of the system.

    The launcher of Slicer makes programs load its own libraries, with which the system's ssh does not start; it keeps
    what was there before.
    """
    level = variables.get("APPLAUNCHER_LEVEL", "")
    if not level.isdecimal():
        return dict(variables)
    before = {name: variables.get(f"APPLAUNCHER_{int(level) - 1}_{name}") for name in _LIBRARY_PATHS}
    others = {name: value for name, value in variables.items() if name not in _LIBRARY_PATHS}
    return others | {name: value for name, value in before.items() if value is not None}


def check_answer(machine: Machine, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last answer of the far end; raises UserError for a failure there, or no answer."""
    if not answers:
        raise Unreachable(f"{machine.name} gave no answer.", "Try it again.")
    answer = answers[-1]
    if "error" in answer:
        kind = Unreachable if answer.get("again") else UserError
        raise kind(f"On {machine.name}: {answer['error']}", str(answer.get("advice", "")))
    return answer
