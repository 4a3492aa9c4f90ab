"""Whole trainings through a real Slurm, interrupted in every way it has, with the results of a training here."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.events import Cancelled, CheckpointSaved, Event, Started
from SemiSupervisedSegLib.jobs.executor import ENDED
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest

from .private_study import leaks, new_private_round
from .slurm_server import Slurm, slurm, wait_until
from .ssh_server import far_machine
from .whole_rounds import MANY_STEPS, SECONDS, assert_same, assert_same_model, train_arguments

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Run:
    """A round on a cluster that is followed in a thread, while the test interrupts it."""

    def __init__(self, cluster: Slurm, study, place: Path, **request: int) -> None:
        self.cluster, self.place = cluster, place
        self.machine = Machine("cluster", "", str(place), SlurmRequest(**{"minutes": 30, **request}))
        self.job = new_private_round(study, steps=MANY_STEPS, preview_interval=0)
        self.notices: list[str] = []
        self.follow()

    def follow(self) -> None:
        self.executor = SshExecutor(self.machine, pauses=(0.05,))
        self.executor.submit(self.job)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def freeze(self) -> int:
        """Stop the worker as soon as it has learned something, which no signal but SIGKILL ends then; return its id."""
        wait_until(lambda: self.there() and self.of(CheckpointSaved), SECONDS)
        worker = self.of(Started)[-1].pid
        os.kill(worker, signal.SIGSTOP)
        assert not self.there().is_finished(), "the training was too fast for this test"
        return worker

    def there(self) -> JobFolder | None:
        places = list(self.place.glob("jobs/*/rounds/*"))
        return JobFolder(places[0]) if places else None

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.there().events()[0] if isinstance(event, kind)]

    def wait_for(self, state: str, seconds: float = SECONDS) -> str:
        """Wait until the job of this run has a state, and return its id."""
        wait_until(lambda: any(value == state for value in self.states().values()), seconds)
        return next(job for job, value in self.states().items() if value == state)

    def states(self) -> dict[str, str]:
        lines = self.cluster.run("squeue", "-h", "-t", "all", "-o", "%i|%T|%j").splitlines()
        fields = [line.split("|") for line in lines]
        return {job: state for job, state, name in fields if name.startswith("semi-supervised-seg-")}

    def finish(self, long_here: JobFolder) -> list[int | None]:
        """Follow to the end, check that the result is that of a training here, and return where the workers began."""
        self.wait_for_end()
        outcome = self.executor.outcome(self.job)
        assert outcome.kind == "finished", (outcome, self.notices)
        assert_same_model(self.job, long_here)
        assert not [event for event in self.job.events()[0] if isinstance(event, Cancelled)]
        began = [event.resumed_from for event in self.job.events()[0] if isinstance(event, Started)]
        assert began[0] is None
        return began

    def wait_for_end(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _follow(self) -> None:
        while self.executor.state(self.job) not in ENDED:
            self.notices += self.executor.notices()
            time.sleep(0.05)
        self.executor.detach()
        self.notices += self.executor.notices()


@pytest.fixture
def run(cluster: Slurm, study, tmp_path: Path) -> Iterator[Run]:
    run = Run(cluster, study, tmp_path / "there")
    yield run
    run.executor.detach()


def test_a_cluster_over_ssh_gives_the_results_of_a_training_here(tmp_path, study, here, monkeypatch, capsys):
    home = tmp_path / "cluster"
    environment = f"SLURM_CONF={home}/slurm.conf OMP_NUM_THREADS=1"
    with slurm(home, monkeypatch) as cluster, far_machine(tmp_path / "far", monkeypatch, environment) as far:
        far.install_links()
        arguments = ["machine", "add", "box", "far", "--slurm", "--time", "10", "--folder", str(far.folder)]
        assert command([*arguments, "--partition", "main", "--cores", "1", "--memory", "3"]) == 0
        assert command([*train_arguments(study), "--on", "box", "--detach"]) == 0
        said = capsys.readouterr().out
        assert "Job 1 was given to box." in said
        assert "--resume 001-mean_teacher --on box" in said
        (there,) = far.jobs()
        assert leaks(there, study) == []
        wait_until(lambda: cluster.jobs() == {"1": "COMPLETED"}, SECONDS)
        assert leaks(there, study) == []
        assert command(["train", str(study.folder), "--resume", "1", "--on", "box"]) == 0
        assert "Done. Segmentations" in capsys.readouterr().out
        (folder,) = rounds(study.folder)
        assert_same(folder, here)
        assert far.jobs() == []


def test_a_turn_that_is_nearly_over_ends_with_a_checkpoint_and_goes_on(run, long_here):
    wait_until(lambda: run.there() and run.of(CheckpointSaved), SECONDS)
    job = run.wait_for("RUNNING")
    # What Slurm does 90 seconds before the time is over.
    run.cluster.run("scancel", "--signal=USR2", job)
    # Slurm lets it wait long enough for the one who follows it to see it.
    wait_until(lambda: f"Job {job} waits in the queue and is started again in about two minutes." in run.notices)
    run.cluster.start_now(job)
    began = run.finish(long_here)
    assert len(began) == 2
    assert 0 < began[1] < MANY_STEPS


def test_a_time_limit_only_interrupts_a_training(run, long_here):
    run.freeze()
    job = run.wait_for("RUNNING")
    run.cluster.run("scontrol", "update", f"jobid={job}", "TimeLimit=1")
    run.wait_for("PENDING")
    run.cluster.run("scontrol", "update", f"jobid={job}", "TimeLimit=30")
    run.cluster.start_now(job)
    began = run.finish(long_here)
    assert 0 < began[-1] < MANY_STEPS


def test_a_job_that_the_time_limit_killed_is_given_to_the_queue_again(cluster, study, tmp_path, monkeypatch, long_here):
    run_first(
        tmp_path,
        monkeypatch,
        "own = signal.signal\n"
        "signal.signal = lambda number, handler: own(number, signal.SIG_IGN if number == signal.SIGUSR2 else handler)\n"
        f"if 'worker' in sys.orig_argv and not os.path.exists({str(tmp_path / 'first')!r}):\n"
        f"    open({str(tmp_path / 'first')!r}, 'w').close()\n"
        "    own(signal.SIGUSR2, signal.SIG_IGN)\n"
        "    time.sleep(1000)\n",
    )
    run = Run(cluster, study, tmp_path / "there")
    wait_until((tmp_path / "first").exists, SECONDS)
    cluster.run("scontrol", "update", "jobid=1", "TimeLimit=1")
    wait_until(lambda: run.states().get("1") == "TIMEOUT", SECONDS)
    assert run.finish(long_here) == [None]
    assert "Job 1 ended (TIMEOUT), and goes on as job 2." in run.notices


def test_a_job_that_gives_way_to_another_goes_on_after_it(run, long_here):
    worker = run.freeze()
    job = run.wait_for("RUNNING")
    run.cluster.run("sbatch", "-p", "urgent", "--time=5", "--chdir", str(run.cluster.home), "--wrap", "sleep 1")
    wait_until(lambda: run.states()[job] != "RUNNING")
    os.kill(worker, signal.SIGCONT)
    run.wait_for("PENDING")
    run.cluster.start_now(job)
    began = run.finish(long_here)
    assert 0 < began[1] < MANY_STEPS


def test_a_job_whose_node_is_lost_goes_on_when_there_is_one(run, long_here):
    run.freeze()
    job = run.wait_for("RUNNING")
    run.cluster.lose_node()
    run.cluster.run("scontrol", "update", "nodename=localhost", "state=down", "reason=lost")
    run.wait_for("PENDING")
    run.cluster.start_node()
    run.cluster.run("scontrol", "update", "nodename=localhost", "state=resume")
    run.cluster.start_now(job)
    began = run.finish(long_here)
    assert 0 < began[1] < MANY_STEPS


def test_a_round_that_was_stopped_on_a_cluster_is_resumed_there(run, long_here):
    wait_until(lambda: run.there() and run.of(CheckpointSaved), SECONDS)
    run.executor.cancel()
    run.wait_for_end()
    outcome = run.executor.outcome(run.job)
    assert (outcome.kind, outcome.step > 0) == ("stopped", True)
    assert list(run.states().values()) == ["COMPLETED"]
    run.follow()
    run.wait_for_end()
    assert run.executor.outcome(run.job).kind == "finished"
    assert_same_model(run.job, long_here)


def test_memory_that_does_not_suffice_is_said(cluster, study, tmp_path, monkeypatch):
    run_first(
        tmp_path,
        monkeypatch,
        "if 'worker' in sys.orig_argv:\n    much = bytearray(os.urandom(1 << 20)) * 1500\n    time.sleep(1000)\n",
    )
    run = Run(cluster, study, tmp_path / "there", memory=1)
    run.wait_for_end()
    outcome = run.executor.outcome(run.job)
    assert "needed more main memory than it was given." in outcome.message
    assert "machine add --memory" in outcome.advice


def run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let every Python in a job of Slurm run some code first."""
    place = tmp_path / "first_of_all"
    place.mkdir()
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    file = f"import os, signal, sys, time\nif 'SLURM_JOB_ID' in os.environ:\n{lines}"
    (place / "sitecustomize.py").write_text(file)
    monkeypatch.setenv("PYTHONPATH", f"{place}:{os.environ.get('PYTHONPATH', '')}")
