"""The rows of the accuracy tables, from the finished rounds of a sweep or of any study."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from SemiSupervisedSegLib.jobs.events import Validated
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import case_means, read_metrics
from SemiSupervisedSegLib.jobs.results import PredictionKind
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study

from .data_sets import data_set
from .metric_names import USUAL
from .protocol import short_title
from .protocol_model import MethodRow, Protocol, PublishedRows
from .studies import counted, study_name
from .sweep_cells import RECORD, cells, effective, find_cell, is_finished, read_record, readable_rounds

OTHER_SITES = "other sites"
"""The group of the test cases of other sites."""


@dataclass(frozen=True)
class Run:
    """The scores of one round, and Dice (0 to 1) by structure at each step that was scored while it trained.

    `cpu_seconds` is the processor time of its steps, None where an older program trained it.
    """

    seed: int
    scores: tuple[StructureScore, ...]
    followed: tuple[dict[str, float], ...]
    draw: int = 0
    cpu_seconds: float | None = None


@dataclass
class Row:
    """One cell of a benchmark: a method at one label count.

    Attributes:
        method: the row of the protocol, or one made for a study without protocol.
        labeled: number of labeled cases, or of patients where the protocol counts these.
        group: rows are compared within it; the number of steps where there is no protocol, and the test cases of other
            sites where there are some beside the local ones.
        runs: one for each draw and seed.
        wanted: how many runs there are to be.
    """

    method: MethodRow
    labeled: int
    group: str = ""
    runs: list[Run] = field(default_factory=list)
    wanted: int = 0

    @property
    def title(self) -> str:
        """What tables call the row."""
        return f"{self.method.title} ({self.group})" if self.group else self.method.title

    @property
    def cases(self) -> tuple[str, ...]:
        """Ids of the scored cases, sorted."""
        return tuple(sorted({score.case for score in self.runs[0].scores}))

    def has(self, kind: PredictionKind) -> bool:
        """Whether all of its runs have predictions of a kind; a public loop has no prototype-based ones."""
        return all(any(score.kind == kind for score in run.scores) for run in self.runs)

    @property
    def cpu_seconds(self) -> float | None:
        """Mean processor time of the trainings of which it is known; None without any."""
        known = [run.cpu_seconds for run in self.runs if run.cpu_seconds is not None]
        return sum(known) / len(known) if known else None

    def values(self, kind: PredictionKind, metric: str, structures: Sequence[str] = ()) -> list[float]:
        """A metric of every case, in the order of `cases`: the mean over structures, then over draws and seeds.

        Args:
            kind: final or prototype.
            metric: a column of metrics.csv.
            structures: names of those to average over; all when empty.
        """
        runs = [run_means(run, kind, metric, structures) for run in self.runs]
        return np.mean([[means[case] for case in self.cases] for means in runs], axis=0).tolist()

    def best_on_test(self, structures: Sequence[str] = ()) -> float | None:
        """The best mean Dice (0 to 1) of any step on the test cases, averaged over seeds; None when not followed."""
        if any(len(run.followed) < 2 for run in self.runs):
            # A single score is that of the last step, from which nothing could be chosen.
            return None
        names = structures or list(self.runs[0].followed[0])
        best = [max(np.mean([dice[name] for name in names]) for dice in run.followed) for run in self.runs]
        return float(np.mean(best))


def run_means(run: Run, kind: PredictionKind, metric: str, structures: Sequence[str] = ()) -> dict[str, float]:
    """A metric of every case of a run by case id: the mean over structures, see `Row.values`."""
    chosen = [item for item in run.scores if item.kind == kind and (not structures or item.structure in structures)]
    return case_means(chosen, metric)


@dataclass
class Benchmark:
    """All rows with their notes in tables; `counted` is what label counts are numbers of."""

    name: str
    rows: list[Row]
    reference: str
    metrics: tuple[str, ...] = USUAL
    structures: tuple[str, ...] = ()
    published: PublishedRows | None = None
    note: str = ""
    best_on_test: bool = False
    counted: str = "cases"

    def reference_of(self, row: Row) -> Row | None:
        """The row of the reference method that a row is tested against: same label count, cases and group."""
        for other in self.rows:
            same = (other.labeled, other.group, other.cases) == (row.labeled, row.group, row.cases)
            if same and self.reference in other.method.names and other is not row:
                return other if self.reference not in row.method.names else None
        return None


def collect(folder: Path, reference: str = "supervised") -> Benchmark:
    """Collect the finished rounds of a sweep or of a study.

    Args:
        folder: of the sweep, or of the study.
        reference: the method that others are tested against; of a study only, a sweep has its own.

    Raises:
        UserError: it is neither, or nothing is finished yet.
    """
    sweep = (folder / RECORD).is_file()
    benchmark = collect_sweep(folder) if sweep else collect_study(folder, reference)
    if not benchmark.rows:
        raise UserError(f"{folder} has no finished round with scores.", "Train one, or wait until one is finished.")
    return benchmark


def collect_sweep(folder: Path) -> Benchmark:
    """Collect the finished rounds of a sweep, in the order of its protocol; raises UserError when it is damaged."""
    sweep = read_record(folder)
    protocol = sweep.protocol
    rows: dict[tuple[int, str, str], Row] = {}
    for cell in cells(protocol):
        place = folder / study_name(protocol, cell.row, cell.labeled, cell.draw)
        found = find_cell(sweep, cell, load_study(place)) if place.is_dir() else None
        if found is None or not is_finished(found):
            continue
        spec = found.spec()
        run = _of_structures(read_run(found, spec), scored_structures(protocol, cell.row))
        for group, part in _by_sites(dataclasses.replace(run, draw=cell.draw), spec).items():
            row = Row(cell.row, cell.labeled, group, wanted=len(protocol.seeds) * len(protocol.draws))
            rows.setdefault((cell.labeled, group, cell.row.title), row).runs.append(part)
    titles = [row.title for row in protocol.methods]
    filled = sorted(rows, key=lambda key: (protocol.counts.index(key[0]), key[1], titles.index(key[2])))
    return Benchmark(
        protocol.name,
        [rows[key] for key in filled],
        protocol.reference,
        protocol.metrics,
        protocol.structures,
        protocol.published,
        protocol.note,
        best_on_test=bool(sweep.best_on_test),
        counted=counted(protocol),
    )


def collect_study(folder: Path, reference: str) -> Benchmark:
    """Collect the finished rounds of a study: one row for each method, settings, label count and set of scored cases.

    The newest round of a seed counts. Raises UserError when there is no study.
    """
    study = load_study(folder)
    finished = [(item, spec) for item, spec in readable_rounds(folder) if is_finished(item)]
    common = _common_settings([spec for _, spec in finished])
    rows: dict[str, Row] = {}
    for item, spec in finished:
        run = read_run(item, spec)
        if not run.scores:
            continue
        labeled = sum(case.role is Role.LABELED for case in spec.cases)
        differing = {key: value for key, value in effective(spec.settings).items() if key not in common}
        differing.pop("steps", None)
        title = ", ".join([short_title(spec.method), *(f"{key}={value}" for key, value in differing.items())])
        cases = sorted({score.case for score in run.scores})
        key = json.dumps([spec.method, spec.preset, effective(spec.settings), labeled, cases], sort_keys=True)
        group = f"{item.result()['steps']} steps"
        row = rows.setdefault(key, Row(MethodRow(spec.method, title), labeled, group))
        row.runs = [*(other for other in row.runs if other.seed != run.seed), run]
    ordered = sorted(rows.values(), key=lambda row: (row.labeled, int(row.group.split()[0]), row.title))
    return Benchmark(study.name, ordered, reference)


def read_run(folder: JobFolder, spec: JobSpec) -> Run:
    """Read the scores of a finished round; raises UserError when they are damaged."""
    # A worker that was killed after a checkpoint validates the same step again.
    followed = {event.step: event.dice for event in folder.events()[0] if isinstance(event, Validated)}
    cpu_seconds = (folder.result() or {}).get("cpu_seconds")
    return Run(spec.seed, tuple(read_metrics(folder.metrics)), tuple(followed.values()), cpu_seconds=cpu_seconds)


def scored_structures(protocol: Protocol, row: MethodRow) -> tuple[str, ...]:
    """The structures that a row is scored on; all when empty."""
    scored = row.scored or protocol.data.scored
    return tuple(item.name for item in data_set(scored).structures) if scored else protocol.structures


def _of_structures(run: Run, names: Sequence[str]) -> Run:
    """The scores of some structures, and so of the cases that are annotated for them."""
    if not names:
        return run
    scores = tuple(score for score in run.scores if score.structure in names)
    followed = tuple({name: dice for name, dice in step.items() if name in names} for step in run.followed)
    return dataclasses.replace(run, scores=scores, followed=followed)


def _by_sites(run: Run, spec: JobSpec) -> dict[str, Run]:
    """The scores of local test cases, and in a group of its own those of other sites, if there are any.

    What was followed while training is over all of them together, so that of several groups none has it.
    """
    away = {case.id for case in spec.cases if case.external}
    scores = {
        "": tuple(score for score in run.scores if score.case not in away),
        OTHER_SITES: tuple(score for score in run.scores if score.case in away),
    }
    if not scores[OTHER_SITES]:
        return {"": run}
    return {group: dataclasses.replace(run, scores=own, followed=()) for group, own in scores.items() if own}


def _common_settings(specs: Iterable[JobSpec]) -> dict[str, object]:
    """The settings that all rounds share, which need no mention."""
    tables = [effective(spec.settings) for spec in specs]
    first = tables[0] if tables else {}
    return {name: value for name, value in first.items() if all(table.get(name) == value for table in tables)}
