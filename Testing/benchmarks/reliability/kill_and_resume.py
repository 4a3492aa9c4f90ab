"""Kill the worker at random instants, resume it, and compare the results with those of an uninterrupted run.

    python -m Testing.benchmarks.reliability.kill_and_resume --kills 200 --method cu2l

A small synthetic study is trained once without interruption. Then fresh rounds of the same job are killed (SIGKILL)
several times each, and resumed to their end; their images are prepared again each time. Half of the kills come at an
instant drawn at random within a stage drawn at random. The other half wait until the worker has begun to write
something (the plan, a prepared image, a checkpoint, the model, a prediction, the scores or the report) and come a few
random milliseconds later. Workers are forked from a process that has loaded PyTorch, so that a kill takes seconds.

The tables say in which stage the kills came and what they left half-written. A round is identical if its last
checkpoint, model, prototypes, predictions and scores are bit for bit those of the uninterrupted run; the exit code is 1
if one is not. With `--output`, kills.csv has every kill.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.folder import JobFolder

from .children import ForkedWorker
from .csv_file import write_rows
from .identical import differences, same_content
from .trial import SETTINGS, STAGES, Kill, Place, Trial

__all__ = ["Trial", "same_content"]
KILLS_OF_A_ROUND = 4
_LONGEST_DELAY = 0.03
_WRITES = {
    "plan": ("inspect", "rounds/*/.tmp-*plan.json"),
    "prepared image": ("preprocess", "cache/*/.tmp-*"),
    "checkpoint": ("train", "rounds/*/checkpoints/.tmp-*"),
    "model": ("model", "rounds/*/.tmp-*/new/models"),
    "prediction": ("predict", "rounds/*/predictions/.tmp-*"),
    "scores": ("evaluate", "rounds/*/.tmp-*metrics.csv"),
    "report": ("evaluate", "rounds/*/.tmp-*report.html"),
}


@dataclass(frozen=True, order=True)
class Aim:
    """Where a kill is to come: in a stage, at a share of it, or while something is written from there on."""

    stage: int
    share: float
    write: str = ""
    delay: float = 0.0

    def __str__(self) -> str:
        return f"writing {self.write}" if self.write else STAGES[self.stage]


def draw_aim(generator: random.Random) -> Aim:
    """Draw an instant of a stage, or a write."""
    share = generator.random()
    if generator.random() < 0.5:
        return Aim(generator.randrange(len(STAGES) - 1), share)
    write = generator.choice(list(_WRITES))
    return Aim(STAGES.index(_WRITES[write][0]), share, write, generator.uniform(0, _LONGEST_DELAY))


def kill(trial: Trial, folder: JobFolder, aim: Aim) -> Kill | None:
    """Start or resume a worker and kill it as aimed; None when it ended before."""
    if aim.write:
        steps = round(aim.share * (SETTINGS["steps"] - 3)) if STAGES[aim.stage] == "train" else 0
        return trial.kill_while_writing(folder, Place(aim.stage, steps), _WRITES[aim.write][1], aim.delay)
    begin, end = trial.span(STAGES[aim.stage])
    return trial.kill(folder, begin + aim.share * (end - begin))


def kill_one_round(trial: Trial, aims: Iterable[Aim]) -> tuple[list[tuple[Aim, Kill]], list[str]]:
    """Kill a fresh round at every aim, finish it, and return the kills and the files that are different."""
    folder = trial.new_round()
    # In the order of a round, so that it gets on between the kills.
    tried = [(aim, kill(trial, folder, aim)) for aim in sorted(aims)]
    if folder.status().state != "finished" or folder.result() is None:
        trial.run_to_end(folder)
    different = differences(folder, trial.reference)
    shutil.rmtree(folder.path)
    return [(aim, found) for aim, found in tried if found is not None], different


def run(trial: Trial, count: int, seed: int, output: Path | None) -> int:
    """Kill that often, print the tables and return how many kills led to something different."""
    generator, kills, failed, missed = random.Random(seed), [], 0, 0
    rows = [["kill", "aim", "after", "half-written", "resumed at", "different"]]
    while len(kills) < count:
        aims = [draw_aim(generator) for _ in range(min(KILLS_OF_A_ROUND, count - len(kills)))]
        found, different = kill_one_round(trial, aims)
        missed += len(aims) - len(found)
        failed += len(found) if different else 0
        for aim, one in found:
            kills.append((aim, one))
            step = "beginning" if one.step is None else f"step {one.step}"
            half = ", ".join(one.half_written) or "-"
            rows.append([len(kills), aim, one.place, half, step, ", ".join(different) or "-"])
            print(f"{len(kills):4}  {aim!s:<22}{one.place!s:<14}{half:<26}{step:<11}{rows[-1][-1]}", flush=True)
    write_rows(output, "kills.csv", rows)
    _print_counts([one for _, one in kills])
    print(f"{missed} more workers ended before they could be killed where it was meant")
    return failed


def _print_counts(kills: list[Kill]) -> None:
    stages = Counter(STAGES[one.place.stage] for one in kills)
    print("\nkills by stage:         " + ", ".join(f"{name} {stages[name]}" for name in STAGES if stages[name]))
    written = Counter(name for one in kills for name in one.half_written)
    print("half-written by a kill: " + (", ".join(f"{name} {number}" for name, number in written.most_common()) or "-"))


def main() -> int:
    """Run the trial and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--method", default="cu2l", choices=list(load_catalogue().methods))
    parser.add_argument("--seed", type=int, default=0, help="decides where the kills come")
    parser.add_argument("--quick", action="store_true", help="20 kills")
    parser.add_argument("--tiny", action="store_true", help="2 kills")
    parser.add_argument("--output", type=Path, help="folder for kills.csv")
    options = parser.parse_args()
    count = 2 if options.tiny else 20 if options.quick else options.kills
    with tempfile.TemporaryDirectory() as temporary:
        trial = Trial(Path(temporary) / "study", options.method, start=ForkedWorker)
        print(f"{options.method}, {SETTINGS['steps']} steps; the uninterrupted run took {trial.seconds:.1f} s\n")
        print(f"{'kill':>4}  {'aim':<22}{'after':<14}{'half-written':<26}{'resumed at':<11}different")
        failed = run(trial, count, options.seed, options.output)
    print(f"{count - failed} of {count} identical")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
