"""The end of a round: the model, the predictions of all cases, the scores and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from ...jobs.folder import JobFolder
from ...jobs.results import PredictionKind
from ...jobs.spec import JobCase, JobSpec
from ...study.model import Role
from ..device import Device
from ..evaluation.metrics import StructureScore
from ..evaluation.scoring import evaluate_round
from ..inference.bundle import save_bundle
from ..methods.method import Method
from .case_predictions import predict_cases
from .prepare import Preparation
from .reporter import Reporter
from .snapshot import labeled_cases, snapshot


def finish_round(
    folder: JobFolder,
    spec: JobSpec,
    reporter: Reporter,
    prepared: Preparation,
    method: Method,
    device: Device,
) -> dict[str, Any]:
    """Save the model, segment all cases, score the validation cases and return the content of result.json.

    Raises:
        UserError: a file cannot be read or written.
        JobStopped: the user asked to end; a resumed job goes on here.
    """
    reporter.start_stage("model", "Saving the model")
    model = snapshot(spec, prepared, method, device, labeled_cases(prepared))
    save_bundle(folder.model, model)
    summaries = predict_cases(model, spec.cases, folder.predictions, prepared.settings, device, reporter)
    reporter.start_stage("evaluate", "Scoring the validation cases", len(_validation_cases(spec)))
    scores = evaluate_round(folder, progress=reporter.progress)
    return {
        "kind": "train",
        "method": spec.method,
        "steps": prepared.settings["steps"],
        "model": folder.model.name,
        "report": folder.report.name,
        "mean_dice": {kind: _mean_dice(scores, kind) for kind in get_args(PredictionKind)},
        "cases": [vars(summary) for summary in summaries],
    }


def _validation_cases(spec: JobSpec) -> list[JobCase]:
    return [case for case in spec.cases if case.role is Role.VALIDATION]


def _mean_dice(scores: Sequence[StructureScore], kind: PredictionKind) -> float | None:
    """Return the mean over validation cases and structures of one prediction, None without such cases."""
    values = [score.dice for score in scores if score.kind == kind]
    return sum(values) / len(values) if values else None
