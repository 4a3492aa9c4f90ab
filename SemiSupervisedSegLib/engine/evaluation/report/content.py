"""What a report shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....jobs.events import Event
from ....planning.plan import Plan
from ....study.model import Modality, Role, Structure
from ...inference.write import CasePrediction
from ..metrics import StructureScore


@dataclass(frozen=True)
class ReportCase:
    """A case that was predicted: its files, and what its prediction says of itself."""

    id: str
    role: Role
    external: bool
    image: Path
    annotation: Path | None
    predictions: Path
    summary: CasePrediction


@dataclass(frozen=True)
class ReportContent:
    """Everything a report shows.

    Attributes:
        title: of the round.
        study_name: as the user called it.
        method_title: of the method.
        method_sentence: what the method is for.
        preset: title of the preset; empty for predictions with an existing model.
        seed: of the training.
        steps: optimisation steps done.
        device: where it was computed, in words.
        seconds: how long the worker ran.
        modality: decides the grey scale of pictures.
        structures: class index i is `structures[i - 1]`.
        plan: knows the slice axis.
        cases: that were predicted.
        trained_on: numbers of cases by what they were used for, in words.
        scores: of the cases with an annotation that were scored; empty when none was.
        scored: which cases these are, in words, such as "validation cases".
        events: what the worker said.
        warnings: what the user should know.
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
    plan: Plan
    cases: tuple[ReportCase, ...]
    trained_on: dict[str, int]
    scores: tuple[StructureScore, ...]
    scored: str
    events: tuple[Event, ...]
    warnings: tuple[str, ...]
