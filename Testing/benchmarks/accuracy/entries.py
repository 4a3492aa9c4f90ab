"""The numbers of the accuracy tables: for each cell and metric mean, deviation, paired tests and published number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from SemiSupervisedSegLib.engine.evaluation.compare import compare_paired, summarise
from SemiSupervisedSegLib.jobs.results import PredictionKind

from .metric_names import METRICS
from .published import PublishedNumber, published_number
from .rows import Benchmark, Row

KINDS: tuple[PredictionKind, ...] = ("final", "prototype")
BEST_ON_TEST = "best on test (not comparable)"


@dataclass(frozen=True)
class Entry:
    """One metric of one row, in the unit of the metric.

    Attributes:
        mean: over cases.
        std: over cases (n - 1); None for the best on test, of which single cases are not known.
        cases: how many.
        seeds: of the runs that were averaged, case by case; so are the draws.
        cpu_seconds: mean processor time of a training, None where it is not known.
        difference: mean minus that of the reference, None without one.
        low: lower end of its 95 % bootstrap interval.
        high: upper end.
        p_wilcoxon: paired over cases against the reference, two-sided; so is `p_t_test`.
        published: the published mean.
    """

    labeled: int
    title: str
    kind: str
    metric: str
    mean: float
    std: float | None
    cases: int
    seeds: tuple[int, ...]
    draws: tuple[int, ...]
    cpu_seconds: float | None
    reference: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_wilcoxon: float | None = None
    p_t_test: float | None = None
    published: PublishedNumber | None = None

    def text(self, digits: int = 2) -> str:
        """Mean, and standard deviation in parentheses."""
        return f"{self.mean:.{digits}f}" + ("" if self.std is None else f" ({self.std:.{digits}f})")


def entries(benchmark: Benchmark) -> Iterator[Entry]:
    """All numbers, kind by kind, row by row; where wanted, the best on test behind its method."""
    for kind in KINDS:
        for row in benchmark.rows:
            if not row.has(kind):
                continue
            for metric in benchmark.metrics:
                yield _entry(benchmark, row, kind, metric)
            best = row.best_on_test(benchmark.structures) if benchmark.best_on_test and kind == "final" else None
            if best is not None:
                title = f"{row.title}, {BEST_ON_TEST}"
                yield Entry(row.labeled, title, kind, "dice", 100 * best, None, len(row.cases), *_runs(row))


def _entry(benchmark: Benchmark, row: Row, kind: PredictionKind, metric: str) -> Entry:
    factor = METRICS[metric].factor
    values = [factor * value for value in row.values(kind, metric, benchmark.structures)]
    summary = summarise(values)
    # Publications report the prediction of the network.
    published = published_number(benchmark.published, row.method, row.labeled, metric) if kind == "final" else None
    base = (row.labeled, row.title, kind, metric, summary.mean, summary.std, summary.count, *_runs(row))
    reference = benchmark.reference_of(row)
    if reference is None or not reference.has(kind):
        return Entry(*base, published=published)
    others = [factor * value for value in reference.values(kind, metric, benchmark.structures)]
    found = compare_paired(others, values)
    tests = (found.difference, found.low, found.high, found.wilcoxon_p, found.t_p)
    return Entry(*base, reference.title, *tests, published=published)


def _runs(row: Row) -> tuple[tuple[int, ...], tuple[int, ...], float | None]:
    """The seeds, the draws, and the mean processor time of the runs of a row."""
    return tuple(sorted({run.seed for run in row.runs})), tuple(sorted({run.draw for run in row.runs})), row.cpu_seconds
