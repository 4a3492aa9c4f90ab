"""A worker that a queue ends and starts again, without a queue."""

from __future__ import annotations

import os
import sys

import pytest

from SemiSupervisedSegLib.jobs.events import Cancelled, CheckpointSaved
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import QUEUE_SIGNAL, WorkerProcess, worker_arguments
from SemiSupervisedSegLib.jobs.outcome import EXIT_PAUSED

from .private_study import new_private_round
from .whole_rounds import MANY_STEPS


def test_a_stop_of_the_user_counts_more_than_a_pause(tmp_path):
    job = JobFolder(tmp_path)
    job.request_pause()
    assert (job.cancel_requested(), job.pause_requested()) == (True, True)
    job.request_cancel()
    assert (job.cancel_requested(), job.pause_requested()) == (True, False)
    job.request_pause()
    assert not job.pause_requested()
    job.clear_cancel()
    assert (job.cancel_requested(), job.pause_requested()) == (False, False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of a queue")
def test_a_signal_of_a_queue_saves_a_checkpoint_and_leaves_no_end(study):
    job = new_private_round(study, steps=MANY_STEPS, preview_interval=0)
    worker = WorkerProcess(job, [sys.executable, *worker_arguments(job, queued=True)])
    for event in worker.events():
        if isinstance(event, CheckpointSaved) and not job.pause_requested():
            os.kill(worker.pid, QUEUE_SIGNAL)
    assert worker.wait() == EXIT_PAUSED
    assert job.pause_requested()
    assert job.status().state == "waiting"
    assert not job.is_finished()
    assert not [event for event in job.events()[0] if isinstance(event, Cancelled)]
