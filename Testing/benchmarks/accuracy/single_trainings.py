"""Every single training of a benchmark: its mean Dice over cases, by draw of the labeled cases and seed."""

from __future__ import annotations

import csv
import io

import numpy as np

from .rows import Benchmark, Row, Run, run_means

TITLE = "Single trainings, mean Dice of the final prediction in %"


def single_table(benchmark: Benchmark) -> list[list[str]]:
    """A heading, and a line for each label count, draw and seed with a cell for each method; empty if not yet done.

    No lines where every method was trained once, as the main table has all there is.
    """
    if all(len(row.runs) < 2 for row in benchmark.rows):
        return []
    titles = list(dict.fromkeys(row.title for row in benchmark.rows))
    cells = {
        (row.labeled, run.draw, run.seed, row.title): f"{mean_dice(benchmark, run):.2f}"
        for row in benchmark.rows
        for run in row.runs
    }
    lines = sorted({key[:3] for key in cells})
    return [
        ["labeled", "draw", "seed", *titles],
        *([*map(str, line), *(cells.get((*line, title), "") for title in titles)] for line in lines),
    ]


def trainings_csv(benchmark: Benchmark) -> str:
    """A line for each training, with its mean Dice in % and the processor time of its steps in seconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["labeled", "method", "draw", "seed", "cases", "dice", "cpu_seconds"])
    for row in benchmark.rows:
        for run in sorted(row.runs, key=lambda run: (run.draw, run.seed)):
            writer.writerow(_line(benchmark, row, run))
    return text.getvalue()


def mean_dice(benchmark: Benchmark, run: Run) -> float:
    """The mean over cases of a training, in %."""
    return 100 * float(np.mean(list(run_means(run, "final", "dice", benchmark.structures).values())))


def _line(benchmark: Benchmark, row: Row, run: Run) -> list[object]:
    seconds = "" if run.cpu_seconds is None else run.cpu_seconds
    return [row.labeled, row.title, run.draw, run.seed, len(row.cases), f"{mean_dice(benchmark, run):.6g}", seconds]
