"""Start several workers on one round, and on several rounds of one study, at the same instant.

    python -m Testing.benchmarks.reliability.two_workers --times 20

The workers are forked from a process that has loaded PyTorch, and wait for one moment on the clock, so that they really
begin together. On one round exactly one of them may work, the others have to say who does and to end with exit code 2;
the results have to be those of a round that one worker did alone. On several rounds of a study that has no prepared
image yet, all have to finish with these results. The table counts what went otherwise; the exit code is 1 if anything
did. With `--output`, two_workers.csv has every time.
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

from SemiSupervisedSegLib.jobs.folder import JobFolder

from .children import Child, ForkedWorker, command
from .csv_file import write_rows
from .identical import differences
from .trial import Trial, half_written

WORKERS = 3
SETTINGS = {"steps": 4, "checkpoint_interval": 2, "validation_interval": 0}
_LEAD_SECONDS = 0.5
_IN_USE = re.compile(r"The job \S+ is in use by (process \d+ on \S+ since \S+|another process)\. \S.*\.")


def start_together(folders: Sequence[JobFolder], errors: Sequence[Path]) -> list[int | None]:
    """Do jobs in as many workers, which begin at the same instant, and return their exit codes."""
    moment = time.monotonic() + _LEAD_SECONDS

    def work(folder: JobFolder) -> int:
        while time.monotonic() < moment:
            pass
        return command("worker", "--job", folder.path, "--detached")

    workers = [Child(lambda folder=folder: work(folder), file) for folder, file in zip(folders, errors, strict=True)]
    return [worker.wait() for worker in workers]


def one_round(trial: Trial, place: Path) -> list[str]:
    """Start several workers on one round and return what was wrong."""
    folder = trial.new_round()
    errors = [place / f"errors-{number}.txt" for number in range(WORKERS)]
    codes = start_together([folder] * WORKERS, errors)
    wrong = [] if sorted(codes, key=str) == sorted([0, *[2] * (WORKERS - 1)], key=str) else [f"exit codes {codes}"]
    for code, file in zip(codes, errors, strict=True):
        message = file.read_text(encoding="utf-8").strip()
        if code != 0 and not _IN_USE.fullmatch(message):
            wrong.append(f"said {message!r}")
        file.unlink()
    return wrong + _wrong_results(trial, folder)


def several_rounds(trial: Trial, place: Path) -> list[str]:
    """Start workers on rounds of a study whose images are not prepared yet and return what was wrong."""
    folders = [trial.new_round() for _ in range(WORKERS)]
    errors = [place / f"errors-{number}.txt" for number in range(WORKERS)]
    codes = start_together(folders, errors)
    wrong = [] if codes == [0] * WORKERS else [f"exit codes {codes}"]
    wrong += [f"said {message!r}" for file in errors if (message := file.read_text(encoding="utf-8").strip())]
    for file in errors:
        file.unlink()
    return wrong + [problem for folder in folders for problem in _wrong_results(trial, folder)]


def _wrong_results(trial: Trial, folder: JobFolder) -> list[str]:
    if folder.status().state != "finished":
        return [f"{folder.name} is {folder.status().state}: {folder.status().message}"]
    wrong = [f"{name} is different" for name in differences(folder, trial.reference)]
    wrong += [f"{path.name} is left" for path in half_written(trial.study.folder)]
    shutil.rmtree(folder.path)
    return wrong


def main() -> int:
    """Start the workers and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="3 times")
    parser.add_argument("--tiny", action="store_true", help="once")
    parser.add_argument("--output", type=Path, help="folder for two_workers.csv")
    options = parser.parse_args()
    times = 1 if options.tiny else 3 if options.quick else options.times
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        trial = Trial(Path(temporary) / "study", "cu2l", start=ForkedWorker, settings=SETTINGS)
        for name, start in (("one round", one_round), ("rounds of one study", several_rounds)):
            for number in range(1, times + 1):
                wrong = start(trial, Path(temporary))
                rows.append([name, number, "; ".join(wrong)])
                for problem in wrong:
                    print(f"{name}, {number}: {problem}", flush=True)
            failed = sum(bool(row[2]) for row in rows if row[0] == name)
            print(f"{WORKERS} workers on {name}: {times} times, {failed} failures", flush=True)
    write_rows(options.output, "two_workers.csv", [["workers on", "time", "wrong"], *rows])
    return 1 if any(row[2] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
