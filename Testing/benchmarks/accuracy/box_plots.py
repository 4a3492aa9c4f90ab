"""Box plots of Dice and 95HD over test cases, one figure for each label count, as SVG and PNG.

    python -m Testing.benchmarks.accuracy.box_plots STUDY_OR_SWEEP --output FOLDER

A point is a case (seeds averaged), a box the quartiles with the median, whiskers reach to the last case within 1.5
times the length of the box, a diamond is the mean, and a triangle below the box is the published mean.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from SemiSupervisedSegLib.study.errors import UserError

from .metric_names import METRICS
from .published import published_number
from .rows import Benchmark, Row, collect

PANELS = ("dice", "hd95_voxel")
# Blue, grey and vermilion can be distinguished with every kind of colour vision, and each has a shape of its own as
# well.
_METHOD, _REFERENCE, _PUBLISHED, _INK = "#0072B2", "#6b7680", "#D55E00", "#1d2733"
_LONGEST_LINE = 34
_ROW_INCHES, _MARGIN_INCHES, _WIDTH_INCHES = 0.52, 1.5, 11.0
_STYLE = {
    "font.size": 11,
    "svg.hashsalt": "boxes",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def draw_boxes(benchmark: Benchmark, folder: Path) -> list[tuple[str, Path]]:
    """Draw one figure for each label count and return their captions and the SVG files; raises OSError."""
    drawn = []
    for labeled in dict.fromkeys(row.labeled for row in benchmark.rows):
        rows = [row for row in benchmark.rows if row.labeled == labeled]
        caption = f"{benchmark.name}, {labeled} labeled {benchmark.counted}"
        with rc_context(_STYLE):
            figure = _draw(benchmark, rows, caption)
            path = folder / f"boxes-labeled-{labeled}.svg"
            # Without a date the same scores give the same file.
            figure.savefig(path, metadata={"Date": None})
            figure.savefig(path.with_suffix(".png"), dpi=110)
        drawn.append((caption, path))
    return drawn


def _draw(benchmark: Benchmark, rows: Sequence[Row], caption: str) -> Figure:
    height = _MARGIN_INCHES + _ROW_INCHES * len(rows)
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, metric in zip(panels, PANELS, strict=True):
        _panel(axes, benchmark, rows, metric)
    places = np.arange(len(rows))
    panels[0].set_yticks(places, [textwrap.fill(row.title, _LONGEST_LINE) for row in rows])
    panels[0].set_ylim(len(rows) - 0.45, -0.55)
    figure.suptitle(caption, x=0.01, ha="left", fontsize=13, color=_INK)
    shown = any(published_number(benchmark.published, row.method, row.labeled, PANELS[0]) for row in rows)
    figure.legend(
        handles=_legend(shown, any(_is_reference(benchmark, row) for row in rows)),
        loc="outside lower right",
        ncols=5,
        frameon=False,
        fontsize=10,
    )
    return figure


def _panel(axes: Axes, benchmark: Benchmark, rows: Sequence[Row], metric: str) -> None:
    described = METRICS[metric]
    values = [[described.factor * value for value in row.values("final", metric, benchmark.structures)] for row in rows]
    reference = [_is_reference(benchmark, row) for row in rows]
    axes.grid(axis="x", color="#e1e6eb", linewidth=0.9)
    axes.set_axisbelow(True)
    boxes = axes.boxplot(
        values,
        positions=range(len(rows)),
        orientation="horizontal",
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": _INK, "linewidth": 1.8},
    )
    for box, is_reference in zip(boxes["boxes"], reference, strict=True):
        color = _REFERENCE if is_reference else _METHOD
        box.set(facecolor=(color, 0.22), edgecolor=color, linewidth=1.3)
    for line in (*boxes["whiskers"], *boxes["caps"]):
        line.set(color=_REFERENCE, linewidth=1.1)
    for place, (row, own, is_reference) in enumerate(zip(rows, values, reference, strict=True)):
        color = _REFERENCE if is_reference else _METHOD
        axes.scatter(own, place + _spread(len(own)), s=16, color=color, alpha=0.75, linewidths=0, zorder=3)
        axes.plot(np.mean(own), place, "D", color="white", markeredgecolor=_INK, markersize=6.5, zorder=4)
        found = published_number(benchmark.published, row.method, row.labeled, metric)
        if found is not None:
            axes.plot(found.value, place + 0.36, "^", color=_PUBLISHED, markeredgecolor="white", markersize=9, zorder=4)
    better = "larger" if described.larger_is_better else "smaller"
    axes.set_xlabel(f"{described.heading} ({better} is better)")
    axes.tick_params(axis="y", length=0)
    if not described.larger_is_better:
        axes.set_xlim(left=0)


def _is_reference(benchmark: Benchmark, row: Row) -> bool:
    return benchmark.reference in row.method.names


def _spread(count: int) -> np.ndarray:
    """Where the points of a row lie beside its middle: the same for a case in every row, so that eyes can follow."""
    return np.random.default_rng(0).uniform(-0.17, 0.17, count)


def _legend(published: bool, reference: bool) -> list[Line2D]:
    def entry(marker: str, label: str, **style: object) -> Line2D:
        return Line2D([], [], linestyle="none", marker=marker, label=label, **style)

    entries = [
        entry("o", "case", color=_METHOD, markersize=5),
        Line2D([], [], color=_INK, linewidth=1.8, label="median"),
        entry("D", "mean", color="white", markeredgecolor=_INK, markersize=6.5),
    ]
    if reference:
        entries.append(entry("s", "tested against", color=_REFERENCE, markersize=8))
    return [*entries, entry("^", "published mean", color=_PUBLISHED, markersize=9)] if published else entries


def main() -> int:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a sweep, or of a study")
    parser.add_argument("--output", type=Path, required=True, help="where the figures go")
    parser.add_argument("--against", default="supervised", help="of a study: the method that is drawn in grey")
    options = parser.parse_args()
    try:
        benchmark = collect(options.folder, options.against)
        options.output.mkdir(parents=True, exist_ok=True)
        for caption, path in draw_boxes(benchmark, options.output):
            print(f"{caption}: {path} and {path.with_suffix('.png').name}")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
