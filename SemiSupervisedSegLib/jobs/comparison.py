"""Comparisons of methods on the annotated cases of a study: what is trained, on what it is scored, and the files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..study.errors import UserError
from ..study.files import write_text_atomically
from ..study.layout import StudyFolder
from .comparison_table import ComparisonTable
from .folder import JobFolder, JobHead
from .records import from_plain, to_plain
from .rounds import new_numbered_folder, number_of
from .spec import SettingValue

SCHEMA_VERSION = 2
"""Version of comparison.json with entries that version 1 does not have; without them it is version 1."""
COMPARISON = "compare"
"""Kind of a comparison among jobs, and the end of its name, such as 001-compare."""
_NAME = re.compile(rf"(\d{{3,}})-{COMPARISON}")


@dataclass(frozen=True)
class ComparisonSpec:
    """What is compared, and where: each method is trained once for each number of labeled cases, seed and fold.

    Attributes:
        methods: Ids of the methods in the catalogue, in the order of their training.
        preset: Id of the preset of all methods.
        settings: Settings that the user changed, by name; a method takes those that it has.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seeds: Seeds of everything random.
        folds: Ids of the annotated cases that are scored in each fold; all other annotated cases are trained on.
        label_counts: Numbers of annotated cases whose annotations are learned from, the others being unlabeled; empty
            for all.
        at_once: Number of trainings that run at the same time.
        machine: Name of the machine that the trainings run on, empty for this computer.
    """

    methods: tuple[str, ...]
    preset: str
    settings: dict[str, SettingValue]
    device: str
    seeds: tuple[int, ...]
    folds: tuple[tuple[str, ...], ...]
    label_counts: tuple[int, ...] = ()
    at_once: int = 1
    machine: str = ""
    schema_version: int = 1

    @property
    def label_groups(self) -> tuple[int | None, ...]:
        """The numbers of labeled cases, None alone for all that there are."""
        return self.label_counts or (None,)

    def asks_the_same(self, other: ComparisonSpec) -> bool:
        """Return whether another comparison has the same answer, wherever and however many at once it is trained."""
        return replace(other, at_once=self.at_once, machine=self.machine) == self

    def to_json(self) -> str:
        """Return the content of comparison.json."""
        content = to_plain(self)
        added = [name for name, usual in _ADDED.items() if getattr(self, name) != usual]
        for name in _ADDED.keys() - set(added):
            del content[name]
        content["schema_version"] = SCHEMA_VERSION if added else 1
        return json.dumps(content, indent=2, allow_nan=False) + "\n"


_ADDED: dict[str, Any] = {"label_counts": (), "at_once": 1, "machine": ""}
"""Entries of version 2 with the values by which they are left out."""


@dataclass(frozen=True)
class Training:
    """One training of a comparison.

    Attributes:
        folder: Job folder.
        method: Id of the method in the catalogue.
        fold: Fold that is held out, counted from 0.
        seed: Seed of everything random.
        labels: Number of labeled cases, None for all.
    """

    folder: JobFolder
    method: str
    fold: int
    seed: int
    labels: int | None = None


class Comparison(JobFolder):
    """The files of a comparison below `path`.

    They are those of a job, whose events and status are about all trainings together, and::

        comparison.json                  what is compared
        table.json                       the scores so far
        mean_teacher-fold1-seed0/        a job folder for each training; with numbers of labeled cases the name
                                         of mean_teacher-fold1-seed0-labels4 has them
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.spec_file = self.path / "comparison.json"
        self._table = self.path / "table.json"

    def head(self) -> JobHead:
        """Return the kind of job that a comparison is."""
        return JobHead(COMPARISON)

    def request(self) -> ComparisonSpec:
        """Return what is compared; raises UserError when comparison.json is missing, damaged or newer."""
        advice = "Start a new comparison."
        try:
            data = json.loads(self.spec_file.read_text(encoding="utf-8"))
            _check_version(data)
            spec = replace(from_plain(ComparisonSpec, data), schema_version=1)
        except OSError as error:
            raise UserError(f"There is no comparison in {self.path}.", advice) from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"comparison.json of {self.name} is damaged.", advice) from error
        return spec

    def write_request(self, spec: ComparisonSpec) -> None:
        """Write comparison.json; raises UserError when it cannot be written."""
        write_text_atomically(self.spec_file, spec.to_json())

    def trainings(self) -> list[Training]:
        """Return all trainings in their order; raises UserError as `request` does."""
        return self.trainings_of(self.request())

    def trainings_of(self, spec: ComparisonSpec) -> list[Training]:
        """Return the trainings that a comparison in this folder consists of, in their order."""
        return [
            Training(self._training_folder(method, fold, seed, labels), method, fold, seed, labels)
            for method in spec.methods
            for labels in spec.label_groups
            for seed in spec.seeds
            for fold in range(len(spec.folds))
        ]

    def _training_folder(self, method: str, fold: int, seed: int, labels: int | None) -> JobFolder:
        end = "" if labels is None else f"-labels{labels}"
        return JobFolder(self.path / f"{method}-fold{fold + 1}-seed{seed}{end}")

    def table(self) -> ComparisonTable | None:
        """Return the scores so far, None before the first."""
        try:
            data = json.loads(self._table.read_text(encoding="utf-8"))
            return from_plain(ComparisonTable, data, ignore_unknown=True)
        except (OSError, ValueError, RecursionError):
            # A damaged one is written anew after the next training.
            return None

    def write_table(self, table: ComparisonTable) -> None:
        """Replace table.json; raises UserError when it cannot be written."""
        write_text_atomically(self._table, json.dumps(to_plain(table), indent=2, allow_nan=False) + "\n")


def comparisons(study_folder: Path | str) -> list[Comparison]:
    """Return all comparisons of a study, oldest first."""
    entries = StudyFolder(study_folder).comparisons.glob("*")
    found = [Comparison(entry) for entry in entries if _NAME.fullmatch(entry.name)]
    return sorted((item for item in found if item.exists()), key=lambda item: number_of(item.path))


def new_comparison_folder(study_folder: Path | str) -> Comparison:
    """Make the folder of a new comparison, such as comparisons/001-compare; raises UserError."""
    parent = StudyFolder(study_folder).comparisons
    return Comparison(new_numbered_folder(parent, study_folder, COMPARISON))


def find_unfinished(study_folder: Path | str, spec: ComparisonSpec) -> Comparison | None:
    """Return the latest comparison of the same methods, settings and folds that is not finished, None without one."""
    for comparison in reversed(comparisons(study_folder)):
        request = None if comparison.is_finished() else _request_of(comparison)
        if request is not None and request.asks_the_same(spec):
            return comparison
    return None


def training_title(spec: ComparisonSpec, training: Training) -> str:
    """Return what tells a training from the others in its row of the table, such as "fold 2 of 4, seed 1"."""
    parts = [f"fold {training.fold + 1} of {len(spec.folds)}"]
    if len(spec.seeds) > 1:
        parts.append(f"seed {training.seed}")
    return ", ".join(parts)


def describe_size(spec: ComparisonSpec) -> str:
    """Return how many trainings a comparison takes, in words."""
    parts = [_count(len(spec.methods), "method"), _count(len(spec.folds), "fold")]
    if len(spec.seeds) > 1:
        parts.append(_count(len(spec.seeds), "seed"))
    if spec.label_counts:
        parts.append(_count(len(spec.label_counts), "number") + " of labeled images")
    total = len(spec.methods) * len(spec.folds) * len(spec.seeds) * len(spec.label_groups)
    return f"{' × '.join(parts)} = {_count(total, 'training')}"


def _request_of(comparison: Comparison) -> ComparisonSpec | None:
    try:
        return comparison.request()
    except UserError:
        return None


def _check_version(data: Any) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version < 1:
        raise ValueError("it does not say its version")
    if version > SCHEMA_VERSION:
        raise UserError("The comparison was made by a newer version of this program.", "Update the program.")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
