"""Workers that do what a test says, started by the runner as if they were the worker's Python."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_HEAD = f"""#!{sys.executable}
import os, signal, subprocess, sys, time
sys.path.insert(0, {str(ROOT)!r})
from SemiSupervisedSegLib.jobs.events import *
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.parent import watch_parent
folder = JobFolder(sys.argv[sys.argv.index("--job") + 1])
def say(*events):
    for event in events:
        folder.append_event(event)
def step(number, total=10):
    say(StepDone(stage="train", step=number, total_steps=total, losses={{"loss": 1 / number}}, learning_rate=0.01))
say(Started(device="the processor", pid=os.getpid()))
"""
FINISHES = "step(1); step(2); folder.write_result({'mean_dice': {'final': 0.5}}); say(Finished(result={}))"
UNTIL_STOPPED = """
while not folder.cancel_requested():
    time.sleep(0.01)
say(Cancelled(step=7)); sys.exit(3)
"""
FAILS = "say(Failed(message='Too big.', advice='Lower it.')); sys.exit(2)"
# What PythonSlicer does.
_LAUNCHER = """#!/bin/sh
{worker} "$@"
exit $?
"""


def fake_python(place: Path, script: str, launcher: bool = False) -> str:
    """Write an executable that does `script` for a job, as a child of itself if `launcher`; return its path."""
    worker = _executable(place / "worker.py", _HEAD + script)
    return _executable(place / "launcher.sh", _LAUNCHER.format(worker=worker)) if launcher else worker


def _executable(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
