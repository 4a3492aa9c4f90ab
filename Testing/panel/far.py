"""Another machine as the panel meets it: a real one on the loopback, and one that never answers."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

HANG = f"exec sleep 1000.{os.getpid()}"
"""Script of a connection that never answers; the number tells those of this process."""
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.bind")
_heard: list[str] = []
_listening = False


def pretend(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a script stand for ssh, and the user have an empty list of machines."""
    program = home / "bin" / "ssh"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "configuration"))


def hanging() -> list[int]:
    """The ids of the connections that never answer."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline() == HANG.split()[1:]:
                found.append(process.pid)
    return found


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listening or threading.current_thread() is not threading.main_thread():
        return
    if event in _NETWORK or (event == "subprocess.Popen" and "ssh" in Path(str(arguments[1][0])).name):
        _heard.append(f"{event}: {arguments[1]}")


sys.addaudithook(_hear)


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Fail if the thread that draws the panel opens a connection in the block, by itself or with ssh."""
    global _listening  # noqa: PLW0603 - a hook stays for as long as the process
    _heard.clear()
    _listening = True
    try:
        yield
    finally:
        _listening = False
    assert _heard == []
