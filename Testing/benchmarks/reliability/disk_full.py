"""Fill the disk at random moments of a round, make space, and resume the round.

    python -m Testing.benchmarks.reliability.disk_full --times 20

A round is done once on a disk with enough space. Then fresh rounds of the same job are done on a disk that has room for
a random part of what the round writes: a small file system in memory, which only an administrator can mount, else the
largest size of a file is limited. The worker has to end with exit code 2 and to say that there is no space left, with
nothing half-written and no file changed that was there before. With more space it is started again and has to finish
with results that are bit for bit those of the first round. The exit code is 1 if anything went otherwise. With
`--output`, disk_full.csv has every time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from SemiSupervisedSegLib.jobs.folder import JobFolder

from .children import ForkedWorker, Limits
from .csv_file import write_rows
from .identical import differences
from .trial import Trial, half_written

SETTINGS = {"steps": 6, "checkpoint_interval": 2, "validation_interval": 0}
_PLENTY = 1 << 30
_PAGE = 4096
_NO_SPACE = "There is no space left to write "


class Disk:
    """A file system in memory whose size can be set."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def resize(self, size: int) -> None:
        """Give it so many bytes."""
        subprocess.run(["mount", "-o", f"remount,size={size}", self._place], check=True)

    def used(self) -> int:
        """How many bytes are taken."""
        usage = shutil.disk_usage(self._place)
        return usage.total - usage.free


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Disk | None]:
    """Mount a file system in memory at a new folder; None, and a plain folder, when that is not allowed."""
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={_PLENTY}", "tmpfs", str(place)]
    may_mount = sys.platform == "linux" and os.geteuid() == 0
    if not may_mount or subprocess.run(options, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(trial: Trial, disk: Disk | None, share: float, needed: int) -> list[str]:
    """Do a round on a disk that is too small by a share, then with space; return what it ended with, and problems."""
    folder = trial.new_round()
    if disk is not None:
        room = max(_PAGE, int(share * needed))
        disk.resize(disk.used() + room)
        code, what = ForkedWorker(folder).wait(), f"{room / 1e6:.2f} MB of room"
        messages = _problems_of_the_stop(folder, trial, code)
        disk.resize(_PLENTY)
    else:
        size = int(1000 * (needed / 1000) ** share)
        code, what = ForkedWorker(folder, Limits(file=size)).wait(), f"files up to {size / 1e6:.3f} MB"
        messages = _problems_of_the_stop(folder, trial, code)
    trial.run_to_end(folder)
    messages += [f"{name} is different" for name in differences(folder, trial.reference)]
    messages += [f"{path.name} is left" for path in half_written(trial.study.folder)]
    words = next((line for line in folder.log.read_text(encoding="utf-8").splitlines() if _NO_SPACE in line), "")
    shutil.rmtree(folder.path)
    return [what, words.removeprefix(_NO_SPACE).partition(" in ")[0], *messages]


def _problems_of_the_stop(folder: JobFolder, trial: Trial, code: int | None) -> list[str]:
    problems = [] if code == 2 else [f"exit code {code}"]
    log = folder.log.read_text(encoding="utf-8")
    # A log on the full disk may have no room for the sentence either; then the last event or nothing has it.
    if "Traceback" in log:
        problems.append(f"a traceback: {log.splitlines()[-1]}")
    elif log and _NO_SPACE not in log:
        problems.append(f"said {log.splitlines()[-1]!r}")
    return problems + [f"{path.name} is half-written" for path in half_written(trial.study.folder)]


def sizes(trial: Trial) -> list[int]:
    """Bytes of the files that a round leaves, prepared images included."""
    places = (trial.reference.path, trial.study.folder / "cache")
    return [path.stat().st_size for place in places for path in place.rglob("*") if path.is_file()]


def run(trial: Trial, disk: Disk | None, times: int, seed: int) -> list[list[str]]:
    """Fill the disk so often and return what was found, a list each."""
    generator, rows = random.Random(seed), []
    # A limit on the size of files stops nothing that is smaller than the largest one.
    needed = max(sizes(trial)) if disk is None else sum(sizes(trial))
    for number in range(1, times + 1):
        rows.append([str(number), *fill(trial, disk, generator.random(), needed)])
        print(
            f"{rows[-1][0]:>4}  {rows[-1][1]:<22}{rows[-1][2] or '-':<28}{'; '.join(rows[-1][3:]) or '-'}", flush=True
        )
    return rows


def main() -> int:
    """Fill the disk and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="decides how much space there is")
    parser.add_argument("--no-mount", action="store_true", help="limit the size of files, as without an administrator")
    parser.add_argument("--quick", action="store_true", help="3 times")
    parser.add_argument("--tiny", action="store_true", help="once")
    parser.add_argument("--output", type=Path, help="folder for disk_full.csv")
    options = parser.parse_args()
    times = 1 if options.tiny else 3 if options.quick else options.times
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        place = Path(temporary) / "disk"
        disk = None if options.no_mount else stack.enter_context(small_disk(place))
        trial = Trial(place / "study", "cu2l", start=ForkedWorker, settings=SETTINGS)
        print("A small disk" if disk else "Files of limited size")
        print(f"{'time':>4}  {'':<22}{'no space for':<28}problems")
        rows = run(trial, disk, times, options.seed)
    write_rows(options.output, "disk_full.csv", [["time", "room", "no space for", "problems"], *rows])
    failed = sum(len(row) > 3 for row in rows)
    print(f"{times} times, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
