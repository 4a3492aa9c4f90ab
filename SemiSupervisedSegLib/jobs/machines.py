"""The other machines on which jobs can run, as the user named them; nothing secret is kept."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..study.errors import UserError
from ..study.files import write_error, write_text_atomically
from .records import from_plain, to_plain
from .slurm_request import SlurmRequest

DEFAULT_FOLDER = "~/semi-supervised-seg"
"""Folder on another machine that belongs to this program, unless the user names one."""
# Names, hosts and folders become words of commands on the other machine, which no shell may read in another way.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._:-]{0,254}")
_FOLDER = re.compile(r"(~/|/)?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_.][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Machine:
    """Another machine, or a cluster with Slurm.

    Attributes:
        name: What the user calls it.
        host: Host or alias of the user's configuration of ssh, perhaps with the login before an @; empty for a cluster
            to whose Slurm this computer submits itself.
        folder: Folder there that belongs to this program; relative to the home folder, or absolute.
        slurm: What its jobs ask of Slurm; None where they are started at once.
    """

    name: str
    host: str
    folder: str
    slurm: SlurmRequest | None = None

    def __post_init__(self) -> None:
        """Refuse what could be read in another way by ssh or a shell; raises UserError."""
        _check(_NAME, self.name, "name of a machine")
        if self.host or self.slurm is None:
            _check(_HOST, self.host, "host")
        _check(_FOLDER, self.folder, "folder on another machine")
        if ".." in self.folder.split("/"):
            raise UserError(f"The folder {self.folder} leads upwards.", "Name it from the home folder or from /.")

    @property
    def kind(self) -> Literal["ssh", "slurm"]:
        """How jobs are started there."""
        return "ssh" if self.slurm is None else "slurm"

    @property
    def is_here(self) -> bool:
        """Whether its commands run on this computer."""
        return not self.host

    def place(self, *parts: str) -> str:
        """Return the path of something in the folder there, as commands name it that begin in the home folder."""
        return "/".join([self.folder.removeprefix("~/"), *parts])


def configuration_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file with the machines of this user, wherever the system keeps configurations."""
    if sys.platform == "win32":
        home = Path(environment.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        usual = Path("Library", "Application Support") if sys.platform == "darwin" else Path(".config")
        home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / usual)
    return home / "semi-supervised-seg" / "machines.json"


def load_machines() -> tuple[Machine, ...]:
    """Return the machines in the order in which they were added; raises UserError when the file is damaged."""
    path = configuration_file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(from_plain(Machine, item) for item in content["machines"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read or is damaged.", "Correct it, or remove it and add machines."
        ) from error


def find_machine(name: str) -> Machine:
    """Return the machine of a name; raises UserError when there is none."""
    machines = load_machines()
    for machine in machines:
        if machine.name == name:
            return machine
    known = ", ".join(machine.name for machine in machines)
    advice = "Add it in the panel (Train, Other machines), or with: semi-supervised-seg machine add NAME HOST."
    raise UserError(f"There is no machine {name!r}.", f"Known are: {known}. {advice}" if known else advice)


def add_machine(machine: Machine) -> None:
    """Add a machine, or replace the one of the same name; raises UserError when that cannot be written."""
    known = {other.name: other for other in load_machines()}
    _save(tuple((known | {machine.name: machine}).values()))


def remove_machine(name: str) -> Machine:
    """Forget a machine and return it; raises UserError when there is none of this name."""
    machine = find_machine(name)
    _save(tuple(other for other in load_machines() if other != machine))
    return machine


def _save(machines: tuple[Machine, ...]) -> None:
    path = configuration_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    write_text_atomically(path, json.dumps({"machines": to_plain(machines)}, indent=2) + "\n")


def _check(pattern: re.Pattern[str], value: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise UserError(
            f"The {what} {value!r} cannot be used.", "Take letters, digits, dots, hyphens and underscores; no blanks."
        )
