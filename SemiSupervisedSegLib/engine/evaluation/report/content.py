"""What a report shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....jobs.events import Event
from ....jobs.results import CaseSummary
from ....jobs.structure_score import StructureScore
from ....planning.plan import Plan
from ....study.model import Modality, Role, Structure


@dataclass(frozen=True)
class ReportCase:
    """A predicted case: its files and the summary of its prediction."""

    id: str
    role: Role
    external: bool
    image: Path
    annotation: Path | None
    predictions: Path
    summary: CaseSummary


@dataclass(frozen=True)
class ReportContent:
    """Everything a report shows.

    Attributes:
        title: Name of the round.
        study_name: Name of the study.
        method_title: Title of the method.
        method_sentence: Purpose of the method.
        preset: Title of the preset; empty for predictions with an existing model.
        seed: Seed of the training.
        steps: Number of optimisation steps.
        device: Title of the device.
        seconds: Running time of the worker in seconds.
        modality: Modality, which decides the grey scale of pictures.
        structures: Structures; class index i is `structures[i - 1]`.
        annotated: Structures that annotations may show, see `annotated_structures`.
        plan: Plan, which knows the slice axis.
        cases: Predicted cases.
        trained_on: Number of cases by their use, such as "labeled".
        scores: Scores of the scored cases, none where no case was scored.
        scored: Name of the scored cases, such as "validation cases".
        events: Events of the worker.
        warnings: Warnings for the user.
    """

    title: str
    study_name: str
    method_title: str
    method_sentence: str
    preset: str
    seed: int
    steps: int
    device: str
    seconds: float
    modality: Modality
    structures: tuple[Structure, ...]
    annotated: tuple[Structure, ...]
    plan: Plan
    cases: tuple[ReportCase, ...]
    trained_on: dict[str, int]
    scores: tuple[StructureScore, ...]
    scored: str
    events: tuple[Event, ...]
    warnings: tuple[str, ...]
