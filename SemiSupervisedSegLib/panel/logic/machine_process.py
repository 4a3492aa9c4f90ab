"""The process that tests or sets up another machine, or deletes there, so that the panel never waits for the network.

python -m SemiSupervisedSegLib.panel.logic.machine_process test|setup|delete NAME

It writes a line of JSON for each thing that it has done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from ...jobs.machines import find_machine
from ...jobs.records import from_plain, to_plain
from ...jobs.remote.checks import Check, run_checks
from ...jobs.remote.deletion import delete_there, later
from ...jobs.remote.installation import install
from ...study.errors import UserError

MODULE = __name__


def read_check(line: str) -> Check | None:
    """Return what a line says; None for one that is not of this process, as some of Python's own are not."""
    try:
        return from_plain(Check, json.loads(line))
    except (ValueError, TypeError):
        return None


def in_words(check: Check) -> str:
    """Return a check as a line for the user, marked as passed or failed, with what to do; what has no title began."""
    if check.advice:
        return " ".join(filter(None, ["✗", f"{check.title}:" if check.title else "", check.found, check.advice]))
    return f"✓ {check.title}: {check.found}" if check.title else check.found


def main(arguments: Sequence[str]) -> int:
    """Test a machine, set it up and test it, or delete there what was deleted here; 1 says that something failed."""
    action, name = arguments
    try:
        if action == "delete":
            _say(Check("", _delete(name)))
            return 0
        machine = find_machine(name)
        if action == "setup":
            install(machine, lambda line: _say(Check("", line)))
        failed = 0
        for check in run_checks(machine):
            _say(check)
            failed += bool(check.advice)
        return 1 if failed else 0
    except UserError as error:
        _say(Check("", error.message, error.advice or "Try it again."))
        return 1


def _delete(name: str) -> str:
    try:
        machine = find_machine(name)
    except UserError as error:
        # It may be taken off the list only for a while.
        raise UserError(error.message, f"{error.advice} {later(name)}") from error
    return delete_there(machine)


def _say(check: Check) -> None:
    # What pip says is indented, and for the curious only.
    if not check.found.startswith(" "):
        print(json.dumps(to_plain(check)), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
