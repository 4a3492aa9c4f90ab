"""End a process together with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants at once; a process that is gone already is no error.

    Slicer's Python is a launcher: the worker is its child, and survives when only the launcher is killed.
    """
    if pid <= 0:
        # To the system these are not processes but groups, such as that of Slicer itself.
        return
    if os.name == "nt":
        command = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(command, check=False, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW)
        return
    stopped: set[int] = set()
    # Stopped processes start no others, so that what is found is complete in the end.
    while fresh := _tree(pid) - stopped:
        for member in fresh:
            _send(member, signal.SIGSTOP)
        stopped |= fresh
    for member in stopped:
        _send(member, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _tree(root: int) -> set[int]:
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = dict(tuple(map(int, line.split())) for line in table.splitlines())
    members = {root} & set(parents)
    while children := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= children
    return members
