"""A comparison of methods on a cluster, as one job array of real trainings."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.engine.worker import compare_job
from SemiSupervisedSegLib.jobs.comparison import comparisons
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Event, Started
from SemiSupervisedSegLib.jobs.executor import LocalQueue
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest

from ...engine.worker.comparing import METHODS, TINY, FinishedWorker, tiny_comparison
from ...engine.worker.rounds import tiny_study
from .slurm_server import Slurm, wait_until
from .whole_rounds import assert_same_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STEPS = 12
SECONDS = 600.0


def of(job: JobFolder, kind: type[Event]) -> list[Event]:
    return [event for event in job.events()[0] if isinstance(event, kind)]


class Pauser(threading.Thread):
    """Ends the first turn of the first training as its time limit does; `began` says where its workers began."""

    def __init__(self, cluster: Slurm, place: Path) -> None:
        super().__init__(daemon=True)
        self._cluster, self._place = cluster, place
        self.job: JobFolder | None = None

    def run(self) -> None:
        wait_until(lambda: list(self._place.glob("jobs/*/rounds/*/checkpoints/last.pt")), SECONDS)
        (checkpoint,) = self._place.glob("jobs/*/rounds/*/checkpoints/last.pt")
        job = JobFolder(checkpoint.parents[1])
        wait_until(lambda: of(job, CheckpointSaved), SECONDS)
        worker = of(job, Started)[-1].pid
        # Until it is told, lest it ends before.
        os.kill(worker, signal.SIGSTOP)
        (element,) = (name for name, state in self._cluster.jobs().items() if state == "RUNNING")
        self._cluster.run("scancel", "--signal=USR2", element)
        wait_until(job.pause_requested, SECONDS)
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: self._cluster.jobs()[element] == "PENDING", SECONDS)
        self._cluster.start_now(element)
        self.job = job


def test_a_comparison_is_the_one_here_although_the_turn_of_an_element_was_over(cluster, tmp_path, capsys):
    add_machine(Machine("cluster", "", str(tmp_path / "there"), SlurmRequest(10)))
    here = tiny_comparison(tiny_study(tmp_path / "here"), steps=STEPS)
    assert compare_job.main(here.path, LocalQueue(FinishedWorker)) == 0
    pauser = Pauser(cluster, tmp_path / "there")
    pauser.start()
    settings = [word for name, value in (TINY | {"steps": STEPS}).items() for word in ("--set", f"{name}={value}")]
    words = ["compare", str(tiny_study(tmp_path / "study").folder), "--methods", *METHODS, "--preset", "quick"]
    assert command([*words, "--device", "cpu", *settings, "--on", "cluster", "--jobs", "2"]) == 0
    pauser.join(SECONDS)
    said = capsys.readouterr().out
    assert "4 jobs were given to cluster as array 1." in said
    (there,) = comparisons(tmp_path / "study")
    assert there.is_finished()
    for own, other in zip(here.trainings(), there.trainings(), strict=True):
        assert_same_model(other.folder, own.folder)
        assert not (other.folder.path / "remote.json").exists()
    (paused,) = (item.folder for item in there.trainings() if item.folder.name == pauser.job.name)
    first, second = (event.resumed_from for event in of(paused, Started))
    assert first is None
    assert 0 < second < STEPS
    assert [row.finished for row in there.table().methods] == [2, 2]
    assert list((tmp_path / "there" / "jobs").iterdir()) == []
    wait_until(lambda: set(cluster.jobs().values()) <= {"COMPLETED"})
