"""The cells of a sweep, and which round of a study is which cell.

Nothing but the rounds' own jobs says so: a round belongs to a cell when it trains the same method with the same
settings and seed on the same cases. So a sweep can be stopped, moved and gone on with at any time.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.records import from_plain, to_plain
from SemiSupervisedSegLib.jobs.rounds import next_round, rounds
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.files import write_text_atomically
from SemiSupervisedSegLib.study.model import Study

from .protocol_model import MethodRow, Protocol
from .studies import study_name

RECORD = "sweep.json"
# These decide when something is read or written, and how fast it goes, not what the network learns.
WITHOUT_EFFECT = {"validation_interval", "preview_interval", "checkpoint_interval", "threads", "cache_budget_mb"}


@dataclass(frozen=True)
class Sweep:
    """What a sweep does; `best_on_test` is the interval at which test cases are scored while training, 0 for never."""

    protocol: Protocol
    best_on_test: int = 0


@dataclass(frozen=True)
class Cell:
    """One training of a sweep."""

    row: MethodRow
    labeled: int
    seed: int
    draw: int = 0

    def __str__(self) -> str:
        return f"{self.row.title}, {self.labeled} labeled, draw {self.draw}, seed {self.seed}"


def cells(protocol: Protocol) -> list[Cell]:
    """All trainings, draw by draw and seed by seed, so that a whole table is there as early as possible."""
    order = itertools.product(protocol.draws, protocol.seeds, protocol.counts)
    return [Cell(row, labeled, seed, draw) for draw, seed, labeled in order for row in protocol.rows_at(labeled)]


def cell_spec(sweep: Sweep, cell: Cell, study: Study, device: str = "auto") -> JobSpec:
    """The job of a cell; raises UserError when it cannot be trained on the study."""
    settings = sweep.protocol.settings_of(cell.row) | {"validation_interval": sweep.best_on_test}
    return make_training_spec(study, cell.row.method, sweep.protocol.preset, settings, device=device, seed=cell.seed)


def find_cell(sweep: Sweep, cell: Cell, study: Study) -> JobFolder | None:
    """The round of a cell, the finished one or else the newest of several; None while there is none."""
    wanted = _identity(cell_spec(sweep, cell, study), bool(sweep.best_on_test))
    found = [
        folder for folder, spec in readable_rounds(study.folder) if _identity(spec, bool(sweep.best_on_test)) == wanted
    ]
    return max(found, key=lambda folder: (is_finished(folder), folder.name), default=None)


def round_of(sweep: Sweep, cell: Cell, study: Study, device: str) -> JobFolder:
    """The round of a cell, made when there is none; raises UserError when it cannot be."""
    folder = find_cell(sweep, cell, study)
    if folder is None:
        spec = cell_spec(sweep, cell, study, device)
        folder = next_round(study.folder, spec.method)
        folder.write_spec(spec)
    return folder


def is_finished(folder: JobFolder) -> bool:
    """Whether a round is complete, with its scores."""
    return folder.status().state == "finished" and folder.is_finished() and folder.metrics.is_file()


def readable_rounds(study: Path) -> list[tuple[JobFolder, JobSpec]]:
    """The training rounds of a study with their jobs, oldest first; those with a damaged job are left out."""
    found = []
    for folder in rounds(study):
        try:
            spec = folder.spec()
        except UserError:
            # A round that was cut off while it was made has no job yet.
            continue
        if spec.kind == "train":
            found.append((folder, spec))
    return found


def effective(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that decide about the result."""
    return {name: value for name, value in settings.items() if name not in WITHOUT_EFFECT}


def write_record(folder: Path, sweep: Sweep) -> None:
    """Keep what a sweep does in its folder; raises UserError when one of another name or data was begun there.

    All else may change from run to run, such as seeds and methods that are added: rounds are known by their jobs.
    """
    path = folder / RECORD
    if path.is_file():
        before = read_record(folder).protocol
        if (before.name, before.data) != (sweep.protocol.name, sweep.protocol.data):
            raise UserError(f"The sweep {before.name} was begun in {folder}.", "Choose another folder with --output.")
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(to_plain(sweep), indent=2) + "\n")


def read_record(folder: Path) -> Sweep:
    """What the sweep in a folder does; raises UserError when that cannot be read."""
    try:
        return from_plain(Sweep, json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"There is no sweep in {folder}, or its {RECORD} is damaged.", "Begin a new one.") from error


def study_of(protocol: Protocol, cell: Cell, studies: dict[str, Study]) -> Study:
    """The study that a cell is trained on."""
    return studies[study_name(protocol, cell.row, cell.labeled, cell.draw)]


def _identity(spec: JobSpec, with_interval: bool) -> str:
    interval = spec.settings.get("validation_interval") if with_interval else None
    cases = [(case.id, case.role, case.external, case.structures) for case in spec.cases]
    content = [spec.method, spec.preset, effective(spec.settings), spec.seed, spec.warm_start, cases, interval]
    return json.dumps(to_plain(content), sort_keys=True)
