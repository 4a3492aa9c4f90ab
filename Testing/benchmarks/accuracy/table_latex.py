"""The accuracy tables for a LaTeX document that loads the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .entries import Entry, entries
from .metric_names import METRICS
from .rows import Benchmark
from .single_trainings import TITLE, single_table
from .table_text import grouped, notes, seconds_text

SIGNIFICANT = 0.05
_KIND_TITLES = {"final": "final prediction of the network", "prototype": "prototype-based prediction"}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
Group = Mapping[str, Entry]


def latex_tables(benchmark: Benchmark) -> str:
    """Two tables for each kind of prediction: the scores with the published numbers, and the p-values."""
    groups = grouped(entries(benchmark))
    parts = ["% \\usepackage{booktabs}"]
    for kind in dict.fromkeys(key[0] for key in groups):
        own = {key[1:]: row for key, row in groups.items() if key[0] == kind}
        caption = f"{benchmark.name}, {_KIND_TITLES[kind]}: mean (standard deviation) over cases."
        marks = " * Wilcoxon, \\textdagger{} t-test: $p < 0.05$."
        parts.append(_table(escape(caption) + marks + _said(benchmark), _score_rows(benchmark, own)))
        tested = {key: row for key, row in own.items() if any(entry.p_wilcoxon is not None for entry in row.values())}
        if tested:
            caption = f"{benchmark.name}, {_KIND_TITLES[kind]}: paired tests against {benchmark.reference}."
            parts.append(_table(escape(caption), _test_rows(benchmark, tested)))
    if single := single_table(benchmark):
        parts.append(_table(f"{escape(f'{benchmark.name}. {TITLE}')}.", [list(map(escape, line)) for line in single]))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text with the characters that LaTeX would take for commands made harmless."""
    return re.sub(r"[\\~^&%$#_{}]", lambda match: _SPECIAL[match.group()], text)


def _score_rows(benchmark: Benchmark, own: Mapping[tuple[int, str], Group]) -> list[list[str]]:
    metrics = _with_published(benchmark, own)
    timed = any(entry.cpu_seconds is not None for row in own.values() for entry in row.values())
    rows = [["Labeled", "Method"]]
    for metric, published in metrics.items():
        rows[0] += [escape(METRICS[metric].heading), *(["published"] if published else [])]
    rows[0] += ["CPU s"] * timed
    for (labeled, title), row in own.items():
        cells = [str(labeled), escape(title)]
        for metric, published in metrics.items():
            entry = row.get(metric)
            cells.append("--" if entry is None else escape(entry.text()) + _marks(entry))
            if published:
                cells.append(f"{entry.published.value:.2f}" if entry and entry.published else "--")
        rows.append(cells + [seconds_text(next(iter(row.values()))) or "--"] * timed)
    return rows


def _test_rows(benchmark: Benchmark, own: Mapping[tuple[int, str], Group]) -> list[list[str]]:
    rows = [["Labeled", "Method"]]
    for metric in benchmark.metrics:
        rows[0] += [f"{escape(METRICS[metric].title)} $p_W$", "$p_t$"]
    for (labeled, title), row in own.items():
        values = [value for metric in benchmark.metrics for value in (row[metric].p_wilcoxon, row[metric].p_t_test)]
        rows.append([str(labeled), escape(title), *(f"{value:.2g}" for value in values)])
    return rows


def _with_published(benchmark: Benchmark, own: Mapping[tuple[int, str], Group]) -> dict[str, bool]:
    """The metrics, and whether any row has a published number of them."""
    return {
        metric: any(metric in row and row[metric].published for row in own.values()) for metric in benchmark.metrics
    }


def _marks(entry: Entry) -> str:
    marks = "*" * (entry.p_wilcoxon is not None and entry.p_wilcoxon < SIGNIFICANT)
    marks += r"\dagger" * (entry.p_t_test is not None and entry.p_t_test < SIGNIFICANT)
    return f"$^{{{marks}}}$" if marks else ""


def _said(benchmark: Benchmark) -> str:
    sources = {entry.published.source for entry in entries(benchmark) if entry.published}
    source = [f"Published numbers: {', '.join(sorted(sources))}."] if sources else []
    return "".join(f" {escape(note)}" for note in [*source, *notes(benchmark)])


def _table(caption: str, rows: list[list[str]]) -> str:
    lines = [" & ".join(row) + r" \\" for row in rows]
    columns = "rl" + "r" * (len(rows[0]) - 2)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )
