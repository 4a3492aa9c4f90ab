"""Let the clock jump by hours, forth and back, while a round is trained, stopped and resumed.

    python -m Testing.benchmarks.reliability.clock_jumps --times 10

The machine's clock is not touched: the worker is started with a `sitecustomize` that replaces `time.time` and
`time.time_ns` by ones that jump at random instants by up to 30 hours (and `datetime`, which nothing but the text of a
lock uses, stays as it is). Each time a fresh round is started, stopped on its way, and resumed under another
clock. Times left must never be negative or absurdly long, steps and stages have to come in their order, the lock must
not stay, the report must not tell a negative duration, and the results have to be bit for bit those of a round under a
steady clock. The exit code is 1 if anything went otherwise. With `--output`, clock_jumps.csv has every time.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from SemiSupervisedSegLib.jobs.events import Event, Finished, Progress, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, worker_arguments, worker_environment

from .csv_file import write_rows
from .identical import differences
from .trial import Trial

SETTINGS = {"steps": 20, "checkpoint_interval": 5, "validation_interval": 10}
LONGEST_LEFT = 3600.0
_SHIM = """
import os, random, time

_generator = random.Random(int(os.environ["JUMPS_SEED"]))
_real, _real_ns, _steady = time.time, time.time_ns, time.monotonic
_state = {"offset": 0.0, "next": 0.0}

def _offset():
    if _steady() >= _state["next"]:
        _state["offset"] = _generator.uniform(-30, 30) * 3600
        _state["next"] = _steady() + _generator.uniform(0.02, 0.5)
        with open(os.environ["JUMPS_LOG"], "a") as log:
            log.write("jump\\n")
    return _state["offset"]

time.time = lambda: _real() + _offset()
time.time_ns = lambda: _real_ns() + int(_offset() * 1e9)
"""


class JumpingClock:
    """Starts workers whose clock jumps, each time otherwise."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SHIM, encoding="utf-8")
        self._folder, self._log = folder, folder / "jumps.txt"
        self._log.touch()
        self._started = 0

    def start(self, folder: JobFolder) -> WorkerProcess:
        """Start the worker of a job."""
        self._started += 1
        environment = worker_environment()
        environment["PYTHONPATH"] = f"{self._folder}:{environment['PYTHONPATH']}"
        environment |= {"JUMPS_SEED": str(self._started), "JUMPS_LOG": str(self._log)}
        return WorkerProcess(folder, [sys.executable, *worker_arguments(folder)], environment=environment)

    def jumps(self) -> int:
        """How often the clock jumped so far."""
        return len(self._log.read_text(encoding="utf-8").splitlines())


def disturb(trial: Trial, clock: JumpingClock) -> list[str]:
    """Stop a round on its way and resume it, under a clock that jumps, and return what was wrong."""
    folder = trial.new_round()
    worker = clock.start(folder)
    while worker.poll() is None and not any(isinstance(event, StepDone) for event in worker.new_events()):
        time.sleep(0.02)
    worker.folder.request_cancel()
    codes = [worker.wait(300)]
    resumed = clock.start(folder)
    codes.append(resumed.wait(300))
    # A worker may have ended when the request to stop comes.
    wrong = [] if codes[0] in (0, 3) and codes[1] == 0 else [f"exit codes {codes}"]
    wrong += wrong_events(folder.events()[0])
    if folder.is_running():
        wrong.append("the lock is still held")
    if folder.status().state != "finished":
        return [*wrong, f"the round is {folder.status().state}: {folder.status().message}"]
    if negative := re.search(r">\s*-\d+ (s|min|h)\b", folder.report.read_text(encoding="utf-8")):
        wrong.append(f"the report says {negative[0]!r}")
    wrong += [f"{name} is different" for name in differences(folder, trial.reference)]
    shutil.rmtree(folder.path)
    return wrong


def wrong_events(events: Sequence[Event]) -> list[str]:
    """Return what cannot be in a round: times left that make no sense, steps or stages that go back."""
    wrong = []
    for event in events:
        left = event.seconds_left if isinstance(event, StepDone | Progress) else None
        if left is not None and not 0 <= left < LONGEST_LEFT:
            wrong.append(f"{left} seconds left at {event}")
    steps: list[int] = []
    for event in events:
        if isinstance(event, Started):
            steps = []
        if isinstance(event, StepDone):
            if steps and event.step <= steps[-1]:
                wrong.append(f"step {event.step} after {steps[-1]}")
            steps.append(event.step)
    return wrong if isinstance(events[-1], Finished) else [*wrong, f"the last event is {events[-1]}"]


def main() -> int:
    """Disturb the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="3 times")
    parser.add_argument("--tiny", action="store_true", help="once")
    parser.add_argument("--output", type=Path, help="folder for clock_jumps.csv")
    options = parser.parse_args()
    times = 1 if options.tiny else 3 if options.quick else options.times
    rows, failed, before = [["time", "jumps", "wrong"]], 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        trial = Trial(Path(temporary) / "study", "cu2l", settings=SETTINGS)
        clock = JumpingClock(Path(temporary) / "clock")
        for number in range(1, times + 1):
            wrong = disturb(trial, clock)
            jumps, before = clock.jumps() - before, clock.jumps()
            failed += bool(wrong)
            rows.append([str(number), str(jumps), "; ".join(wrong)])
            print(f"{number:>4}  {jumps} jumps: {'; '.join(wrong) or 'nothing wrong'}", flush=True)
    write_rows(options.output, "clock_jumps.csv", rows)
    print(f"{times} times with {before} jumps, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
