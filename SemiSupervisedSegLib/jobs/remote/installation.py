"""This program on another machine: a Python environment in its folder there, with the very code of this computer."""

from __future__ import annotations

from collections.abc import Callable

from ...study.errors import UserError
from ..machines import Machine
from .checks import find_python, in_shell, system_of
from .connection import Connection
from .same_program import check_version
from .wheel import make_wheel, wheel_name


def install(machine: Machine, tell: Callable[[str], None]) -> None:
    """Install this program on a machine, or bring it up to date.

    Args:
        machine: Machine.
        tell: Function that takes a line for each thing that is done.

    Raises:
        UserError: The machine cannot be reached, has no Python, runs a job, or pip fails.
    """
    connection = Connection(machine)
    if machine.is_here:
        tell("This computer submits the jobs, and its nodes use the program that runs now; nothing is installed.")
        return
    tell(f"Connected: {system_of(connection)}.")
    _check_idle(connection)
    venv, wheel = machine.place("venv"), machine.place(wheel_name())
    content = make_wheel()
    tell(f"Sending {wheel_name()} ({len(content) / 1e6:.1f} MB) to {machine.folder}.")
    in_shell(connection, f"umask 077; mkdir -p {machine.place()} && cat >{wheel}", data=content)
    python = find_python(connection)
    tell(f"Making a Python environment in {machine.folder}/venv with {python}, where there is none.")
    _make_environment(connection, python, venv)
    tell("Installing PyTorch and the other packages with pip; the first time this takes some minutes.")
    pip = f"{venv}/bin/python -m pip --disable-pip-version-check install --progress-bar off"
    # The second call replaces a program of the same version, of which the first one thinks that it is there already.
    script = f"{pip} {wheel} && {pip} --quiet --force-reinstall --no-deps {wheel} && rm -f {wheel}"
    for line in in_shell(connection, script).splitlines():
        tell(f"  {line}")
    check_version(connection)
    tell("Done.")


def _check_idle(connection: Connection) -> None:
    try:
        running = connection.call("hello", connection.machine.place())["running"]
    except UserError:
        # There is no program yet, or one that does not know this question.
        return
    if running:
        raise UserError(
            f"{running} jobs are running on {connection.machine.name}.", "Wait until they end, or stop them first."
        )


def _make_environment(connection: Connection, python: str, venv: str) -> None:
    usable = f'{venv}/bin/python -c "import pip" 2>/dev/null'
    try:
        in_shell(connection, f"umask 077; {usable} || {{ rm -rf {venv} && {python} -m venv {venv} 1>&2; }}")
    except UserError as error:
        raise UserError(
            f"{error.message} No Python environment could be made.",
            "On Debian and Ubuntu, install the package python3-venv there.",
        ) from error
