"""Whether jobs can run on a machine: one check after another, each with what to do where it fails."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...study.errors import UserError
from ..machines import Machine
from ..slurm_request import minutes_of
from .connection import Connection
from .deletion import delete_there
from .failures import not_set_up
from .same_program import check_version

_PYTHONS = ("python3", "python3.13", "python3.12", "python3.11")
_FITS = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))"
_PROGRAM = "SemiSupervisedSeg"
_GIGA = 1e9
# The others are words, such as infinite.
_DURATION = re.compile(r"[\d:-]+")
_LEAST_FREE = 5e9


@dataclass(frozen=True)
class Check:
    """A check: what was looked at, what was found, and what to do, which is empty where all is well."""

    title: str
    found: str
    advice: str = ""


def run_checks(machine: Machine) -> Iterator[Check]:
    """Yield the checks of a machine as they are done; those that need a failed one are left out.

    What was deleted on this computer while the machine was away is deleted there then.
    """
    connection = Connection(machine)
    way_in = "This computer" if machine.is_here else "Host key and login"
    try:
        yield Check(way_in, system_of(connection))
    except UserError as error:
        yield Check(way_in, error.message, error.advice)
        return
    looks = {} if machine.is_here else {"Python": find_python}
    looks |= {"Free disk": _free_disk, _PROGRAM: _own_version}
    if machine.slurm is None:
        looks["PyTorch"] = _devices
    else:
        looks |= {"PyTorch": _torch, "Slurm": partitions, "Job": _trial}
    for title, look in looks.items():
        check = _checked(title, look, connection)
        yield check
        if check.advice and title == _PROGRAM:
            # The others ask the program there.
            return
    deleted = _checked("Deleted rounds", lambda connection: delete_there(connection.machine), connection)
    if deleted.found:
        yield deleted


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


def partitions(connection: Connection) -> str:
    """Return the partitions of a cluster with their time limits and cards; raises UserError where there is none."""
    slurm = connection.machine.slurm
    assert slurm is not None
    found = [line.split("|", 2) for line in connection.call("partitions")["lines"] if line.count("|") >= 2]
    # A star marks the partition of jobs that name none.
    limits = {name.rstrip("*"): limit for name, limit, _ in found}
    wanted = slurm.partition.split(",") if slurm.partition else [name[:-1] for name, _, _ in found if name[-1] == "*"]
    unknown = [name for name in wanted if name not in limits]
    if not limits or unknown:
        raise UserError(
            f"There is no partition {', '.join(unknown)}; there are: {', '.join(limits)}.",
            "Change the partition of the machine (machine add --partition), or ask who runs the cluster.",
        )
    for name in wanted:
        # Slurm would take such a job and never start it.
        if _DURATION.fullmatch(limits[name]) and minutes_of(limits[name]) < slurm.minutes:
            raise UserError(
                f"The partition {name} allows {limits[name]} at most.",
                "Change the time of the machine to that or less (machine add --time).",
            )
    texts = (f"{name} (at most {limit}, {'no cards' if cards == '(null)' else cards})" for name, limit, cards in found)
    return "; ".join(dict.fromkeys(texts))


def _trial(connection: Connection) -> str:
    """Let Slurm say whether it would take a job, which is not queued."""
    assert connection.machine.slurm is not None
    connection.call("trial", *connection.machine.slurm.words())
    return "Slurm would take it"


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
        raise UserError(
            f"Only {text}.", "Free some space there, or change the folder of the machine (machine add --folder)."
        )
    return text


def _own_version(connection: Connection) -> str:
    check_version(connection)
    return "the version of this computer"


def _devices(connection: Connection) -> str:
    version, found = _probe(connection)
    devices = [device for device in found if not device["problem"]]
    problems = [device["problem"] for device in found if device["problem"]]
    if problems:
        raise UserError(f"{version}; {problems[0]}", "Until then trainings run on the processor there.")
    free = "; ".join(f"{device['title']}, {device['free'] / _GIGA:.1f} GB free" for device in devices)
    return f"{version}; {free}"


def _torch(connection: Connection) -> str:
    # The machine that submits has other cards than the nodes, or none.
    return f"{_probe(connection)[0]}; the cards are those of the nodes"


def _probe(connection: Connection) -> tuple[str, list[dict[str, Any]]]:
    """Return the version of PyTorch there and its devices."""
    said = connection.run(*connection.python("-m", f"{__package__.split('.')[0]}.engine.device_probe"))
    try:
        answer = json.loads(said.splitlines()[-1])
        return str(answer["torch"]), list(answer["devices"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise not_set_up(connection.machine) from error
