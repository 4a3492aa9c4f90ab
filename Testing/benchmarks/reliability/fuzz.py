"""Give damaged and malicious files to the commands and to the worker, and see how each ends.

    python -m Testing.benchmarks.reliability.fuzz --inputs 500

Study and job files, records, plans, images (NRRD, NIfTI, MetaImage, DICOM), annotations, checkpoints, models,
predictions, prepared images and tables are damaged: bits flipped, cut short, sizes that are absurd, values of wrong
types, paths that lead elsewhere, links out of the study, pickles that carry code, small files that expand to gigabytes.
Each goes to a real command in a child process with limits on processor time and memory. It may finish, where the damage
does not matter, or end with the documented exit code and a clear sentence. It must not crash (a traceback, a signal),
hang, write or run anything outside the study, change or lose another file, or leave one half-written.

The table counts how the inputs of each kind ended. Every failure is printed with the command that repeats it, and the
exit code is 1 if there is one. With `--output`, fuzz.csv has every input.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .children import Child, Limits, command
from .fuzz_inputs import KINDS
from .fuzz_judge import CLEAR_ERROR, FINISHED, OUTCOMES, Ended, judge
from .fuzz_world import World

_LIMITS = Limits(processor_seconds=60, memory=1_200_000_000)
_WALL_SECONDS = 600.0
_TOLD_OF = 50


@dataclass(frozen=True)
class Tried:
    """An input, and how the command that was given it ended."""

    number: int
    kind: str
    what: str
    command: str
    outcome: str
    why: str


def kinds(count: int) -> list[str]:
    """Return the kinds of inputs, each as often as its share and at least once, in an order that is always the same."""
    total = sum(share for share, _ in KINDS.values())
    drawn = [name for name, (share, _) in KINDS.items() for _ in range(max(1, round(count * share / total)))]
    random.Random(0).shuffle(drawn)
    return (drawn * (1 + count // len(drawn)))[:count]


def try_input(world: World, number: int, kind: str, seed: int, log: Path) -> Tried:
    """Make an input, give it to its command and judge the end."""
    world.renew()
    made = KINDS[kind][1](world, random.Random(f"{seed} {kind} {number}"))
    before = world.contents()
    output, errors = log / "output.txt", log / "errors.txt"
    for file in (output, errors):
        file.unlink(missing_ok=True)

    def work() -> int:
        os.chdir(world.temporary)
        os.environ["TMPDIR"] = tempfile.tempdir = str(world.temporary)
        return command(*made.arguments)

    code = Child(work, errors, output, _LIMITS).wait(_WALL_SECONDS)
    name = " ".join(map(str, made.arguments[: 2 if made.arguments[0] == "study" else 1]))
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in (output, errors)]
    outcome, why = judge(Ended(name, code, *texts, before, world.contents()))
    return Tried(number, kind, made.what, name, outcome, why)


def try_all(world: World, numbers: list[tuple[int, str]], seed: int, log: Path) -> Iterator[Tried]:
    """Try inputs one after another and print each that does not end as it should."""
    for place, (number, kind) in enumerate(numbers, start=1):
        tried = try_input(world, number, kind, seed, log)
        if tried.outcome not in (FINISHED, CLEAR_ERROR):
            print(f"{tried.outcome}: {kind}, {tried.what}, given to {tried.command}: {tried.why}")
            print(f'  repeat it with --seed {seed} --only {number} "{kind}" --keep FOLDER', flush=True)
        if len(numbers) > _TOLD_OF and place % _TOLD_OF == 0:
            print(f"{place} of {len(numbers)} inputs", flush=True)
        yield tried


def report(all_tried: list[Tried], output: Path | None) -> int:
    """Print the table, write fuzz.csv, and return the number of failures."""
    counts = Counter((tried.kind, tried.outcome) for tried in all_tried)
    print(f"\n{'':<24}" + "".join(f"{name:>14}" for name in OUTCOMES))
    for kind in [*KINDS, "all"]:
        numbers = [sum(n for (k, o), n in counts.items() if o == name and kind in (k, "all")) for name in OUTCOMES]
        if any(numbers):
            print(f"{kind:<24}" + "".join(f"{number or '-':>14}" for number in numbers))
    if output:
        with open(output / "fuzz.csv", "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(list(Tried.__annotations__))
            writer.writerows(vars(tried).values() for tried in all_tried)
    return sum(tried.outcome not in (FINISHED, CLEAR_ERROR) for tried in all_tried)


def main() -> int:
    """Try the inputs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="60 inputs")
    parser.add_argument("--tiny", action="store_true", help="6 inputs")
    parser.add_argument("--only", nargs=2, metavar=("NUMBER", "KIND"), help="this input only")
    parser.add_argument("--kind", choices=list(KINDS), help="inputs of this kind only")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this new folder and leave it")
    parser.add_argument("--output", type=Path, help="folder for fuzz.csv")
    options = parser.parse_args()
    count = 6 if options.tiny else 60 if options.quick else options.inputs
    numbers = list(enumerate(kinds(count)))
    if options.kind:
        numbers = [(number, options.kind) for number in range(count)]
    if options.only:
        numbers = [(int(options.only[0]), options.only[1])]
    for folder in filter(None, (options.output, options.keep)):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        tried = list(try_all(World(place), numbers, options.seed, place))
    failed = report(tried, options.output)
    print(f"{len(tried)} inputs, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
