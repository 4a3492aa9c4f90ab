"""Why a command on another machine failed, from the exit code of ssh and what it printed."""

from __future__ import annotations

from collections.abc import Sequence

from ...study.errors import UserError
from ..machines import Machine

_SSH_FAILED = 255
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


class Unreachable(UserError):  # noqa: N818 - it says what is the case, like its base
    """The machine cannot be reached now; what runs there goes on, and a later attempt may succeed."""


def explain(machine: Machine, code: int, said: str) -> UserError:
    """Return the error of a failed command.

    Args:
        machine: Machine on which it ran, or should have.
        code: Exit code of ssh, which is that of the command, 255 for its own failures, negative when it was killed.
        said: What ssh and the command printed as errors.
    """
    if code == _SSH_FAILED:
        return _connection_failure(machine, said)
    if code < 0:
        return Unreachable(f"The connection to {machine.name} was ended.", "Try it again.")
    if code in (_NOT_EXECUTABLE, _NOT_FOUND) or "No module named" in said:
        return not_set_up(machine)
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return disk_full(machine)
    return UserError(f"A command on {machine.name} failed: {_last_line(said)}", f"Find out more: {_test(machine)}.")


def not_set_up(machine: Machine) -> UserError:
    """Return the error of a machine that does not have this program."""
    return UserError(f"SemiSupervisedSeg is not installed on {machine.name}.", _set_up(machine))


def incomplete(machine: Machine, missing: Sequence[str]) -> UserError:
    """Return the error of a machine that lacks packages, such as torch."""
    return UserError(f"{', '.join(missing)} is not installed on {machine.name}.", _set_up(machine))


def disk_full(machine: Machine) -> UserError:
    """Return the error of a machine without space."""
    return UserError(f"The disk of {machine.name} is full.", f"Free some space there; {_test(machine)} shows how much.")


def other_version(machine: Machine, there: str, here: str) -> UserError:
    """Return the error of a machine whose program is not the one here, which might compute something else."""
    what = f"version {there}, and this is {here}" if there != here else f"another state of version {here} than this"
    return UserError(f"SemiSupervisedSeg on {machine.name} is {what}.", _set_up(machine))


def _connection_failure(machine: Machine, said: str) -> UserError:
    host = machine.host.rpartition("@")[2]
    if "IDENTIFICATION HAS CHANGED" in said:
        return UserError(
            f"The host key of {machine.name} is not the one you know: this may be another machine.",
            "Ask who runs it whether the key was changed. Only then remove the old one with "
            f"ssh-keygen -R {host}, and connect once in a terminal with: ssh {machine.host}.",
        )
    if "Host key verification failed" in said or "host key is known" in said:
        return UserError(
            f"You have not connected to {machine.name} before, so that its host key is unknown.",
            f"Connect once in a terminal with: ssh {machine.host}, and compare the key that it shows with the one that "
            "whoever runs the machine names.",
        )
    if "Permission denied" in said or "Too many authentication failures" in said:
        return UserError(
            f"{machine.name} refuses the login: {_last_line(said)}",
            f"Set up a key or an agent, so that this works without a password: ssh {machine.host}.",
        )
    if "Bad configuration option" in said or "Bad owner or permissions" in said:
        return UserError(f"ssh cannot be used: {_last_line(said)}", "Correct your configuration of ssh.")
    return Unreachable(
        f"{machine.name} cannot be reached: {_last_line(said)}",
        f"Check the network and whether the machine is on, with: ssh {machine.host}.",
    )


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[-1].rstrip(".") if lines else "no reason was given") + "."


def _test(machine: Machine) -> str:
    return f"Test connection in the panel, or semi-supervised-seg machine test {machine.name}"


def _set_up(machine: Machine) -> str:
    return f"Press Set up in the panel, or run: semi-supervised-seg machine setup {machine.name}."
