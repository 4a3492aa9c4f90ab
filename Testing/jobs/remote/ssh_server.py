"""A real sshd on the loopback with keys of its own, and a wire to it that can be cut."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import SemiSupervisedSegLib
from SemiSupervisedSegLib.jobs.machines import Machine

from .ports import free_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")
PACKAGE_ROOT = Path(SemiSupervisedSegLib.__file__).parents[1]
_SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
SetEnv {environment}
"""
_CLIENT = """
Host far
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {home}/user_key
    IdentitiesOnly yes
    UserKnownHostsFile {home}/known_hosts
    GlobalKnownHostsFile /dev/null
    ControlMaster no
"""


def skip_without_sshd() -> None:
    """Skip loudly where no sshd can be started."""
    for program, found in (("sshd", SSHD), ("ssh", shutil.which("ssh")), ("ssh-keygen", shutil.which("ssh-keygen"))):
        if found is None:
            pytest.skip(f"{program} is not installed: apt-get install openssh-server openssh-client")


class Wire:
    """A port that passes everything on to another one, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self.cuts = 0
        self.refuse = 0
        """Number of connections that are ended at once."""
        self.budget: dict[str, int] = {}
        """Bytes that pass `up` (to the machine) or `down` before the wire is cut once."""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections."""
        self.cuts += 1
        pairs, self._pairs = self._pairs, []
        for ends in pairs:
            for end in ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            if self.refuse:
                self.refuse -= 1
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            for source, sink, way in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._pass, args=(source, sink, way), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if self._is_used_up(way, len(data)):
                    self.cut()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _is_used_up(self, way: str, count: int) -> bool:
        """Count bytes, and return whether they are the ones at which the wire is cut."""
        with self._lock:
            if way in self.budget:
                self.budget[way] -= count
                if self.budget[way] < 0:
                    del self.budget[way]
                    return True
        return False


class FarMachine:
    """A machine over ssh: `home` lies on this computer, as the test wants to look into it.

    The client is the real ssh with a configuration of its own, for which a program named ssh on the PATH stands.
    """

    def __init__(self, home: Path, environment: str) -> None:
        self.home, self.folder = home, home / "there"
        self._make_keys()
        port = free_port()
        text = _SERVER.format(port=port, home=home, environment=environment)
        (home / "sshd_config").write_text(text)
        self._server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(home / "sshd_config")], stderr=self._log())
        self.wire = Wire(port)
        self._write_client()
        _wait_for(port)

    @property
    def machine(self) -> Machine:
        return Machine("box", "far", str(self.folder))

    def install_links(self) -> None:
        """Let the machine have the program and the packages of this Python."""
        python = self.folder / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nPYTHONPATH={PACKAGE_ROOT} exec {sys.executable} "$@"\n')
        python.chmod(0o755)

    def know(self, key: str = "host_key") -> None:
        """Let the user know a host key."""
        public = (self.home / f"{key}.pub").read_text()
        (self.home / "known_hosts").write_text(f"[127.0.0.1]:{self.wire.port} {public}")

    def jobs(self) -> list[Path]:
        """Return what lies among the jobs there."""
        return sorted((self.folder / "jobs").glob("*"))

    def processes(self) -> list[psutil.Process]:
        """Return what runs there of this program: workers, and far ends of connections."""
        found = psutil.process_iter(["name", "cmdline"])
        # The command is in the words of a client as well, which may not have connected yet.
        own = (process for process in found if process.info["name"] != "ssh")
        return [process for process in own if any(str(self.folder) in word for word in process.info["cmdline"] or ())]

    def close(self) -> None:
        self.wire.close()
        self._server.terminate()
        self._server.wait()
        # A test that failed may have left a worker, which outlives its connection.
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _make_keys(self) -> None:
        for name in ("host_key", "user_key", "other_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.home / name)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(self.home / "user_key.pub", self.home / "authorized_keys")

    def _write_client(self) -> None:
        text = _CLIENT.format(port=self.wire.port, user=getpass.getuser(), home=self.home)
        (self.home / "ssh_config").write_text(text)
        self.know()
        wrapper = self.home / "bin" / "ssh"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.home}/ssh_config "$@"\n')
        wrapper.chmod(0o755)

    def _log(self):
        if os.getuid() == 0:
            # Where the server keeps nobody's rights; packages make it when their service is started.
            Path("/run/sshd").mkdir(exist_ok=True)
        return open(self.home / "sshd.log", "wb")


def without_torch(far: FarMachine) -> None:
    """Let a machine have no PyTorch."""
    place = far.home / "without"
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata, sys\n"
        "own = metadata.version\n"
        "def version(name):\n"
        "    if name == 'torch':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return own(name)\n"
        "metadata.version, sys.modules['torch'] = version, None\n"
    )
    python = far.folder / "venv" / "bin" / "python"
    python.write_text(python.read_text().replace("PYTHONPATH=", f"PYTHONPATH={place}:"))


@contextlib.contextmanager
def far_machine(home: Path, monkeypatch: pytest.MonkeyPatch, environment: str = "LANG=C") -> Iterator[FarMachine]:
    """A machine that the user knows by the alias `far`, in a configuration of their own."""
    skip_without_sshd()
    home.mkdir(parents=True)
    far = FarMachine(home, environment)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "configuration"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        yield far
    finally:
        far.close()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("sshd did not start; see sshd.log")
