"""Whether jobs can run on a machine: one check after another, each with what to do where it fails."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...study.errors import UserError
from ..machines import Machine
from .connection import Connection
from .executor import check_version
from .failures import not_set_up

_PYTHONS = ("python3", "python3.13", "python3.12", "python3.11")
_FITS = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))"
_GIGA = 1e9
_LEAST_FREE = 5e9


@dataclass(frozen=True)
class Check:
    """A check: what was looked at, what was found, and what to do, which is empty where all is well."""

    title: str
    found: str
    advice: str = ""


def run_checks(machine: Machine) -> Iterator[Check]:
    """Yield the checks of a machine as they are done; those that need a failed one are left out."""
    connection = Connection(machine)
    try:
        yield Check("Host key and login", system_of(connection))
    except UserError as error:
        yield Check("Host key and login", error.message, error.advice)
        return
    for title, look in (
        ("Python", find_python),
        ("Free disk", _free_disk),
        ("SemiSupervisedSeg", _own_version),
        ("PyTorch", _devices),
    ):
        yield _checked(title, look, connection)


def system_of(connection: Connection) -> str:
    """Return the system of a machine; raises UserError when there is no way in, or jobs cannot run on it."""
    system = connection.run("uname", "-sm").strip()
    if not system.startswith(("Linux", "Darwin")):
        raise UserError(f"{connection.machine.name} runs {system}.", "Jobs run on Linux and macOS only.")
    return system


def find_python(connection: Connection) -> str:
    """Return the name of a Python there that this program runs with; raises UserError when there is none."""
    tries = "; ".join(f'{name} -c "{_FITS}" 2>/dev/null && command -v {name} && exit 0' for name in _PYTHONS)
    found = in_shell(connection, f"{tries}; true").split()
    if not found:
        raise UserError("There is no Python 3.11, 3.12 or 3.13.", "Install one there, or put it on the PATH.")
    return found[-1]


def in_shell(connection: Connection, script: str, data: bytes = b"") -> str:
    """Run a line of a POSIX shell there, whatever the login has, and return what it prints; raises UserError."""
    return connection.run("sh", "-c", shlex.quote(script), data=data)


def _checked(title: str, look: Callable[[Connection], str], connection: Connection) -> Check:
    try:
        return Check(title, look(connection))
    except UserError as error:
        return Check(title, error.message, error.advice or "Run the test again.")


def _free_disk(connection: Connection) -> str:
    folder = connection.machine.place()
    place = f'p={folder}; while [ ! -d "$p" ]; do p=$(dirname "$p"); done; df -Pk "$p" | tail -n 1'
    fields = in_shell(connection, place).split()
    try:
        free = int(fields[3]) * 1024
    except (IndexError, ValueError) as error:
        raise UserError("The free space cannot be told.", f"Look at df for {connection.machine.folder}.") from error
    text = f"{free / _GIGA:.1f} GB in {connection.machine.folder}"
    if free < _LEAST_FREE:
        raise UserError(f"Only {text}.", "Free some space there, or choose another folder with machine add --folder.")
    return text


def _own_version(connection: Connection) -> str:
    check_version(connection)
    return "the version of this computer"


def _devices(connection: Connection) -> str:
    said = connection.run(*connection.python("-m", f"{__package__.split('.')[0]}.engine.device_probe"))
    try:
        answer = json.loads(said.splitlines()[-1])
        devices = [device for device in answer["devices"] if not device["problem"]]
        problems = [device["problem"] for device in answer["devices"] if device["problem"]]
        version = str(answer["torch"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise not_set_up(connection.machine) from error
    if problems:
        raise UserError(f"{version}; {problems[0]}", "Until then trainings run on the processor there.")
    free = "; ".join(f"{device['title']}, {device['free'] / _GIGA:.1f} GB free" for device in devices)
    return f"{version}; {free}"
