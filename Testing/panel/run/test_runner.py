"""The runner with real processes: how they are started, followed, stopped and judged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from SemiSupervisedSegLib.jobs.events import Cancelled, Event, Failed, Finished, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess
from SemiSupervisedSegLib.jobs.outcome import Outcome
from SemiSupervisedSegLib.panel.run import runner as module
from SemiSupervisedSegLib.panel.run.runner import Runner
from SemiSupervisedSegLib.study.errors import UserError

from .fake_worker import FAILS, FINISHES, ROOT, UNTIL_STOPPED, fake_python

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")


class Watched:
    """A runner on a job, with all it says."""

    def __init__(self, services: Any, folder: JobFolder) -> None:
        self.runner, self.folder = Runner(services), folder
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.runner.events.connect(self.events.extend)
        self.runner.ended.connect(self.outcomes.append)

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "rounds" / "001-cu2l")
    folder.path.mkdir(parents=True)
    return folder


@pytest.fixture
def watch(services: Any, folder: JobFolder, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    watched: list[Watched] = []

    def make(script: str, launcher: bool = False) -> Watched:
        services.pythonExecutable = fake_python(tmp_path, script, launcher)
        watched.append(Watched(services, folder))
        return watched[-1]

    yield make
    for item in watched:
        item.runner.kill()
        item.runner.stopFollowing()


def test_a_job_that_finishes_says_everything_once(watch: Callable[..., Watched], folder: JobFolder, spin: Any) -> None:
    job = watch(FINISHES)
    changes = []
    job.runner.changed.connect(lambda: changes.append(job.runner.running))
    job.runner.start(folder)
    assert job.runner.running
    spin(lambda: job.outcomes, 20)
    assert job.outcomes == [Outcome("finished", result={"mean_dice": {"final": 0.5}})]
    assert [type(event) for event in job.events] == [Started, StepDone, StepDone, Finished]
    assert changes == [True, False]
    assert not job.runner.running


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.exit(0)", "exit code 0"),
        ("folder.write_result({}); sys.exit(9)", "exit code 9"),
        ("sys.exit('the disk is tired')", "the disk is tired"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        (FAILS, "Too big."),
    ],
)
def test_exit_code_and_result_both_count(
    watch: Callable[..., Watched], folder: JobFolder, spin: Any, script: str, words: str
) -> None:
    job = watch(script)
    job.runner.start(folder)
    spin(lambda: job.outcomes, 20)
    assert job.outcomes[0].kind == "failed"
    assert words in job.outcomes[0].message
    assert job.outcomes[0].advice


@pytest.mark.parametrize("program", ["/nowhere/python", "/etc/passwd"])
def test_a_program_that_cannot_be_started(services: Any, folder: JobFolder, spin: Any, program: str) -> None:
    services.pythonExecutable = program
    job = Watched(services, folder)
    job.runner.start(folder)
    spin(lambda: job.outcomes, 5)
    assert job.outcomes[0].kind == "failed"
    assert "could not be started" in job.outcomes[0].message
    assert not job.runner.running
    with pytest.raises(UserError, match="could not be started"):
        job.runner.start(folder, detached=True)
    assert not job.runner.running


def test_partial_and_damaged_lines_lose_no_others(watch: Callable[..., Watched], folder: JobFolder, spin: Any) -> None:
    script = """
step(1)
line = to_line(StepDone(stage="train", step=2, total_steps=10, losses={}, learning_rate=0.1)).encode()
with open(folder.path / "events.jsonl", "ab", buffering=0) as file:
    file.write(b"\\xff\\xfe\\x00garbage\\n" + line[:20]); time.sleep(0.4)
    file.write(line[20:]); file.write(b"{\\"event\\": 5}\\n")
step(3)
folder.write_result({})
"""
    job = watch(script)
    job.runner.start(folder)
    spin(lambda: job.outcomes, 20)
    assert [event.step for event in job.events if isinstance(event, StepDone)] == [1, 2, 3]


def test_an_earlier_failure_is_told_and_does_not_count(
    watch: Callable[..., Watched], folder: JobFolder, spin: Any
) -> None:
    folder.append_event(Failed("Old.", ""))
    folder.write_result({})
    job = watch("os._exit(0)")
    job.runner.start(folder)
    spin(lambda: job.outcomes, 20)
    assert isinstance(job.events[0], Failed)
    assert job.outcomes[0].kind == "finished"


def test_stop_lets_it_save(watch: Callable[..., Watched], folder: JobFolder, spin: Any) -> None:
    job = watch(UNTIL_STOPPED)
    folder.request_cancel()
    job.runner.start(folder)
    spin(lambda: job.count(Started), 20)
    job.runner.stop()
    assert job.runner.stopping
    spin(lambda: job.outcomes, 20)
    assert (job.outcomes[0].kind, job.outcomes[0].step) == ("stopped", 7)
    assert not job.runner.stopping


def test_who_does_not_stop_is_killed_with_all_that_it_started(
    watch: Callable[..., Watched], folder: JobFolder, spin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.3)
    script = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
say(CheckpointSaved(step=child.pid))
time.sleep(100)
"""
    job = watch(script, launcher=True)
    job.runner.start(folder)
    spin(lambda: len(job.events) == 2, 20)
    pids = [job.events[0].pid, job.events[1].step]
    assert all(psutil.pid_exists(pid) for pid in pids)
    job.runner.stop()
    spin(lambda: job.outcomes, 20)
    spin(lambda: not any(is_alive(pid) for pid in pids), 10)
    assert job.outcomes[0].kind == "failed"


def test_a_reloaded_module_finds_its_worker(
    watch: Callable[..., Watched], services: Any, folder: JobFolder, spin: Any
) -> None:
    job = watch(UNTIL_STOPPED)
    job.runner.start(folder)
    spin(lambda: job.count(Started), 20)
    job.runner.stopFollowing()
    assert not job.runner.running
    again = Watched(services, folder)
    assert again.runner.attach(folder)
    assert not again.runner.externallyStarted
    spin(lambda: again.count(Started), 10)
    again.runner.stop()
    spin(lambda: again.outcomes, 20)
    assert again.outcomes[0].kind == "stopped"
    assert not job.outcomes
    assert not again.runner.attach(folder)


@pytest.mark.parametrize("finishes", [True, False])
def test_the_worker_of_another_program_is_followed(
    services: Any, folder: JobFolder, spin: Any, finishes: bool, tmp_path: Path
) -> None:
    script = f"with folder.lock():\n    say(Started(device='x', pid=1))\n    {'pass' if finishes else ''}"
    script += UNTIL_STOPPED.replace("\n", "\n    ") if not finishes else f"; time.sleep(1)\n    {FINISHES}"
    command = [fake_python(tmp_path, script), "--job", str(folder.path)]
    worker = WorkerProcess(folder, command)
    # To ask for the lock again and again could take it from the worker.
    spin(lambda: len(folder.events()[0]) >= 2, 20)
    assert folder.is_running()
    other = Watched(services, folder)
    assert other.runner.attach(folder)
    assert other.runner.externallyStarted
    if not finishes:
        other.runner.stop()
    spin(lambda: other.outcomes, 20)
    worker.wait(10)
    assert other.outcomes[0].kind == ("finished" if finishes else "stopped")
    assert isinstance(other.events[-1], Finished if finishes else Cancelled)


def test_a_detached_worker_goes_on(watch: Callable[..., Watched], folder: JobFolder, spin: Any) -> None:
    job = watch("step(1); time.sleep(1)\n" + FINISHES)
    job.runner.start(folder, detached=True)
    assert job.runner.detached
    spin(lambda: job.count(StepDone), 20)
    assert os.getsid(job.events[0].pid) == job.events[0].pid
    spin(lambda: job.outcomes, 20)
    assert job.outcomes[0].kind == "finished"


def test_a_folder_deleted_during_the_run(watch: Callable[..., Watched], folder: JobFolder, spin: Any) -> None:
    job = watch("while folder.path.exists(): time.sleep(0.01)")
    job.runner.start(folder)
    spin(lambda: job.count(Started), 20)
    shutil.rmtree(folder.path)
    spin(lambda: job.outcomes, 20)
    assert "is gone" in job.outcomes[0].message


HOST = """
import os, sys
sys.path.insert(0, sys.argv[1])
from Testing.slicer_stand_in import desktop
desktop.start()
import qt
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.run.runner import Runner
from SemiSupervisedSegLib.panel.services import Services
runner = Runner(Services(None, None, qt.QProcess, sys.argv[2], None))
runner.start(JobFolder(sys.argv[3]))
def look():
    if os.path.exists(sys.argv[4]):
        qt.QCoreApplication.instance().quit()
timer = qt.QTimer()
timer.connect("timeout()", look)
timer.start(20)
qt.QCoreApplication.instance().exec_()
"""
STOPS_WITH_ITS_PARENT = "watch_parent(folder.request_cancel)\nstep(1)\nstep(2)\n" + UNTIL_STOPPED


@pytest.mark.parametrize("killed", [True, False])
def test_a_worker_saves_and_ends_when_slicer_crashes_or_quits(folder: JobFolder, tmp_path: Path, killed: bool) -> None:
    program = fake_python(tmp_path, STOPS_WITH_ITS_PARENT, launcher=True)
    quitting = tmp_path / "quit"
    command = [sys.executable, "-c", HOST, str(ROOT), program, str(folder.path), str(quitting)]
    with subprocess.Popen(command) as host:
        wait_for(lambda: any(isinstance(event, StepDone) for event in folder.events()[0]))
        assert not folder.cancel_requested()
        if killed:
            host.send_signal(signal.SIGKILL)
        quitting.touch()
        host.wait(60)
    wait_for(lambda: isinstance(folder.events()[0][-1], Cancelled))
    worker = next(event.pid for event in folder.events()[0] if isinstance(event, Started))
    wait_for(lambda: not is_alive(worker))


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
