"""The accuracy table as text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from .entries import Entry, entries
from .metric_names import METRICS
from .rows import Benchmark
from .single_trainings import TITLE, single_table

COLUMNS = (
    "labeled",
    "method",
    "kind",
    "metric",
    "unit",
    "mean",
    "std",
    "cases",
    "seeds",
    "draws",
    "cpu_seconds",
    "reference",
    "difference",
    "difference_low",
    "difference_high",
    "p_wilcoxon",
    "p_t_test",
    "published",
    "published_source",
)


def csv_table(benchmark: Benchmark) -> str:
    """One line for each cell, kind of prediction and metric; empty where there is nothing to say."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries(benchmark):
        numbers = (entry.difference, entry.low, entry.high, entry.p_wilcoxon, entry.p_t_test)
        published = entry.published
        writer.writerow(
            [
                *(entry.labeled, entry.title, entry.kind, entry.metric, METRICS[entry.metric].unit),
                *(_number(entry.mean), _number(entry.std), entry.cases, " ".join(map(str, entry.seeds))),
                *(" ".join(map(str, entry.draws)), _number(entry.cpu_seconds)),
                *(entry.reference, *map(_number, numbers)),
                *((published.value, published.source) if published else ("", "")),
            ]
        )
    return text.getvalue()


def text_table(benchmark: Benchmark) -> str:
    """The table for a terminal, with the Wilcoxon test of the first metric."""
    lines = [benchmark.name]
    groups = grouped(entries(benchmark))
    first = METRICS[benchmark.metrics[0]].title
    for kind in dict.fromkeys(key[0] for key in groups):
        header = ["labeled", "method", *(METRICS[name].heading for name in benchmark.metrics), f"p ({first})"]
        published = any(entry.published for key, row in groups.items() if key[0] == kind for entry in row.values())
        rows = [[*header, *([f"published {first}"] if published else []), "CPU s", "draws", "seeds"]]
        for (own_kind, labeled, title), row in groups.items():
            if own_kind == kind:
                cells = [row[name].text() if name in row else "" for name in benchmark.metrics]
                entry = next(iter(row.values()))
                p_value = "" if entry.p_wilcoxon is None else f"{entry.p_wilcoxon:.2g}"
                beside = [f"{entry.published.value} ({entry.published.source})" if entry.published else ""] * published
                runs = [", ".join(map(str, numbers)) for numbers in (entry.draws, entry.seeds)]
                rows.append([str(labeled), title, *cells, p_value, *beside, seconds_text(entry), *runs])
        lines += ["", f"{kind} prediction, mean (standard deviation) over cases", *_columns(rows)]
    if single := single_table(benchmark):
        lines += ["", TITLE, *_columns(single)]
    return "\n".join([*lines, *notes(benchmark)])


def seconds_text(entry: Entry) -> str:
    """The mean processor time of a training in whole seconds; empty where it is not known."""
    return "" if entry.cpu_seconds is None else f"{entry.cpu_seconds:.0f}"


def grouped(found: Iterable[Entry]) -> dict[tuple[str, int, str], dict[str, Entry]]:
    """Entries by kind, label count and title of their row, and there by metric."""
    groups: dict[tuple[str, int, str], dict[str, Entry]] = {}
    for entry in found:
        groups.setdefault((entry.kind, entry.labeled, entry.title), {})[entry.metric] = entry
    return groups


def notes(benchmark: Benchmark) -> list[str]:
    """The notes below a table, in sentences."""
    lines = []
    if any(benchmark.reference_of(row) for row in benchmark.rows):
        lines.append(
            f"p: paired tests over cases against {benchmark.reference} at the same label count, two-sided, not "
            "corrected for their number; they say nothing of the variance between trainings."
        )
    for row in benchmark.rows:
        if len(row.runs) < row.wanted:
            lines.append(f"{row.title}, {row.labeled} labeled: {len(row.runs)} of {row.wanted} trainings are done.")
    if any(run.cpu_seconds is not None for row in benchmark.rows for run in row.runs):
        lines.append(
            "CPU s: mean processor time of a training's steps in seconds, all threads together, without preparing "
            "images, segmenting and scoring; empty where an older program trained."
        )
    if benchmark.best_on_test:
        lines.append(
            "Best on test: the best Dice of any step on the test cases themselves, on the grid of the training; it can "
            "be compared with nothing that was not chosen in the same way."
        )
    published = benchmark.published
    return [*lines, *filter(None, [benchmark.note, published.note if published else ""])]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
