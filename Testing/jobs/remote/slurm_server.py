"""A real Slurm with munge on the loopback, one node, without systemd; its daemons end with the test."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .ports import free_port

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SECONDS = 120.0
# Preemption between the partitions. Much patience: a node that is slow to answer on a busy computer would count as lost
# after ten seconds, and its job then waits for two minutes before it is started again.
_CONFIGURATION = """
ClusterName=local
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={short}/munge.sock
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={home}/state
SlurmdSpoolDir={short}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerNode=3000
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=5
SlurmdTimeout=300
MessageTimeout=30
BatchStartTimeout=200
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=urgent Nodes=localhost MaxTime=60 PriorityTier=2 State=UP
"""


class Slurm:
    """A cluster of one node with one core, or so many as if it had them; `home` has its configuration and logs."""

    def __init__(self, home: Path, cores: int = 1) -> None:
        self.home = home
        self.configuration = home / "slurm.conf"
        self._environment = {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": _PATH}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        home.chmod(0o711)
        (home / "state").mkdir()
        # For sockets, whose paths may have 107 letters; those in the folder of a test have more where tests run in two
        # processes, and the first job of the node fails.
        self._short = tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)
        Path(self._short.name).chmod(0o711)
        Path(self._short.name, "spool").mkdir()
        self._start_munge()
        values = {"controller": free_port(), "daemon": free_port(), "cores": cores, "memory": 3000 * cores + 1000}
        text = _CONFIGURATION.format(user=getpass.getuser(), home=home, short=self._short.name, **values)
        self.configuration.write_text(text)
        self.start("slurmctld", "-D", "-i")
        self.start_node()

    def start_node(self) -> None:
        self.start("slurmd", "-D", "-N", "localhost")
        wait_until(lambda: self.run("sinfo", "-h", "-o", "%t").split()[:1] in (["idle"], ["mix"], ["alloc"]))

    def start(self, name: str, *arguments: str) -> None:
        with open(self.home / f"{name}.out", "ab") as log:
            command = [str(shutil.which(name, path=_PATH)), *arguments]
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def stop(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        daemon.wait()

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Return the states of all jobs and elements of arrays by their ids."""
        lines = self.run("squeue", "--array", "-h", "-t", "all", "-o", "%i|%T").splitlines()
        return dict(line.split("|") for line in lines)

    def start_now(self, job: str) -> None:
        """Spare a job that was queued again the two minutes that Slurm lets it wait, but for what a node needs."""
        time.sleep(3)
        self.run("scontrol", "update", f"jobid={job}", "StartTime=now")

    def lose_node(self) -> None:
        """End the daemon of the node with everything that it started, as a loss of power does."""
        daemon = self._daemons.pop("slurmd")
        # The processes of a job are no children of the daemon any more, but have its folder in their environment.
        daemon.kill()
        daemon.wait()
        for process in self._processes_of_jobs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, 9)

    def close(self) -> None:
        for job, state in self.jobs().items():
            if state in ("PENDING", "RUNNING"):
                self.run("scancel", job)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not {"RUNNING", "COMPLETING"} & set(self.jobs().values()))
        for process in self._processes_of_jobs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, 9)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._short.cleanup()

    def _start_munge(self) -> None:
        key = self.home / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        socket = Path(self._short.name) / "munge.sock"
        files = {"key-file": key, "socket": socket, "pid-file": "munge.pid", "log-file": "munge.log"}
        options = [f"--{name}={self.home / file}" for name, file in {**files, "seed-file": "munge.seed"}.items()]
        self.start("munged", "--foreground", "--force", *options)
        wait_until(socket.exists)

    def _processes_of_jobs(self) -> list[int]:
        """Return what runs for jobs of this cluster: their daemons, the workers and what they started."""
        mark, own = f"SLURM_CONF={self.configuration}".encode(), {daemon.pid for daemon in self._daemons.values()}
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "environ").read_bytes().split(b"\0")
                steps = b"slurmstepd" in (place / "cmdline").read_bytes()
                if mark in words and (steps or any(word.startswith(b"SLURM_JOB_ID=") for word in words)):
                    found.append(int(place.name))
        return [process for process in found if process not in own]


@contextlib.contextmanager
def slurm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """A cluster to which this computer submits, as does whatever it starts."""
    for program in PROGRAMS:
        if shutil.which(program, path=_PATH) is None:
            pytest.skip(f"{program} is not installed: apt-get install slurm-wlm munge")
    home.mkdir(parents=True)
    monkeypatch.setenv("SLURM_CONF", str(home / "slurm.conf"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "configuration"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cluster = Slurm(home)
    try:
        yield cluster
    finally:
        cluster.close()


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)
