"""Check everything on a graphics card in a given time, the most important first; one JSON file and one table come out.

    make check-gpu [MINUTES=15] [DATA=...] [OUTPUT=...]
    python -m Testing.benchmarks.gpu [--minutes 15] [--data ACDC] [--output FOLDER] [--device cuda]

What does not fit into the time is cut off and named. With --data, the rest of the time goes to the accuracy on ACDC;
that part continues when the same command is run again with the same folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..machine import describe_machine
from ..speed.report import read_csv

RESULT, TABLE = "check_gpu.json", "check_gpu.md"
_CUT_OFF = "cut off by the clock"
_ENDING_SECONDS = 60.0
"""What a training gets to save its checkpoint and the table to be written."""


@dataclass(frozen=True)
class Part:
    """A benchmark of its own: what it shows, its module, arguments, and the CSV file that it writes."""

    title: str
    module: str
    arguments: tuple[str, ...] = ()


@dataclass
class Outcome:
    """How a part went."""

    title: str
    state: str
    seconds: float
    figures: list[dict[str, str]] = field(default_factory=list)


def parts(device: str) -> list[Part]:
    """Return all parts but the accuracy, the most important first."""
    on_device = ("--device", device)
    costs = ("--methods", "supervised", "mean_teacher", "self_training", "cu2l", "ss_net")
    paper_2d = ("--network", "unet_2d", "--patch", "256x256", "--batch", "12", "--classes", "4")
    paper_3d = ("--network", "v_net", "--patch", "112x112x80", "--batch", "2", "--classes", "2")
    return [
        Part("Losses as on the processor, and continued trainings", "gpu.against_processor", on_device),
        Part("Too little memory", "gpu.out_of_memory", on_device),
        Part("Training beside the public loop, and the share of the peak", "speed.training_speed", ("--quick",)),
        Part("Time to the first preview", "speed.first_prediction", ("--quick",)),
        Part("Prediction", "speed.inference", ("--quick",)),
        Part("Time and memory of a step, slices", "speed.method_costs", (*on_device, *paper_2d, *costs)),
        Part("Time and memory of a step, volumes", "speed.method_costs", (*on_device, *paper_3d, *costs)),
        Part("All methods beside the public loop", "speed.training_speed", ("--quick", "--methods", "all")),
    ]


def run_part(part: Part, folder: Path, seconds: float, form: Sequence[str]) -> Outcome:
    """Run a part for so many seconds at most."""
    package = __package__.rpartition(".")[0]
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"{package}.{part.module}", *form, *part.arguments, "--output", str(folder)]
    print(f"\n== {part.title}, {seconds:.0f} s left", flush=True)
    state, lasted = _run(command, seconds, subprocess.Popen.kill)
    return Outcome(part.title, state, lasted, read_csv(folder / f"{part.module.rpartition('.')[2]}.csv"))


def accuracy(data: Path, folder: Path, device: str, seconds: float) -> Outcome:
    """Train the methods of the protocol for cards as far as the time goes."""
    package = __package__.rpartition(".")[0]
    command = [sys.executable, "-m", f"{package}.accuracy.sweep", "acdc_card", "--data", str(data)]
    print(f"\n== Accuracy on ACDC, {seconds:.0f} s left", flush=True)
    # When it is terminated, the sweep lets its workers save their checkpoints.
    state, lasted = _run([*command, "--output", str(folder), "--device", device], seconds, subprocess.Popen.terminate)
    if state == _CUT_OFF:
        state += "; the same command continues"
    return Outcome("Accuracy on ACDC", state, lasted, read_csv(folder / "results" / "scores.csv"))


def _run(command: Sequence[str], seconds: float, cut_off: Callable[[subprocess.Popen], None]) -> tuple[str, float]:
    """Run a command, end it when the time is over, and return how it went and for how many seconds."""
    started = time.monotonic()
    process = subprocess.Popen(command)
    try:
        code = process.wait(seconds)
        state = "done" if code == 0 else f"failed with exit code {code}"
    except subprocess.TimeoutExpired:
        cut_off(process)
        process.wait()
        state = _CUT_OFF
    return state, time.monotonic() - started


def table(machine: str, outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as text for Docs/benchmarks.md."""
    lines = [machine, ""]
    for outcome in outcomes:
        lines += [f"**{outcome.title}**: {outcome.state}, {outcome.seconds:.0f} s.", ""]
        if outcome.figures:
            columns = list(outcome.figures[0])
            lines += [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
            lines += [f"| {' | '.join(row[column] for column in columns)} |" for row in outcome.figures]
            lines.append("")
    return "\n".join(lines)


def check(options: argparse.Namespace, folder: Path) -> list[Outcome]:
    """Run all parts in the time there is; after each, everything so far is on the disk."""
    form = ["--tiny"] if options.tiny else []
    end = time.monotonic() + 60 * options.minutes
    machine, outcomes = describe_machine(), []
    print(machine, flush=True)

    def left() -> float:
        return end - time.monotonic()

    def keep(outcome: Outcome) -> None:
        outcomes.append(outcome)
        content = {"machine": machine, "parts": [asdict(item) for item in outcomes]}
        (folder / RESULT).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        (folder / TABLE).write_text(table(machine, outcomes), encoding="utf-8")

    for number, part in enumerate(parts(options.device), start=1):
        if options.parts and part.module not in options.parts:
            continue
        has_time = left() > 0
        place = folder / f"{number}-{part.module}"
        keep(run_part(part, place, left(), form) if has_time else Outcome(part.title, "no time left", 0.0))
    if options.data and left() > _ENDING_SECONDS:
        keep(accuracy(options.data, folder / "accuracy", options.device, left() - _ENDING_SECONDS))
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run the check; 1 if a part failed, which one that was cut off did not."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--minutes", type=float, default=15.0, help="time for everything (15)")
    made.add_argument("--data", type=Path, help="folder of ACDC, for the accuracy; without it that part is left out")
    made.add_argument("--output", type=Path, help="folder of the results; a temporary one when left out")
    made.add_argument("--device", default="cuda", help="cuda or cuda:N; cpu tries the check itself (cuda)")
    made.add_argument("--parts", nargs="+", default=[], metavar="MODULE", help="only these, such as speed.inference")
    made.add_argument("--tiny", action="store_true", help="only see that it runs")
    options = made.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.output or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = check(options, folder)
        print(f"\n{(folder / TABLE).read_text(encoding='utf-8')}")
    return 1 if any(outcome.state.startswith("failed") for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
