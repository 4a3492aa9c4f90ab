"""A round of training: from the prepared cases to a model, predictions, scores and a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from ...jobs.events import WarningRaised
from ...jobs.results import CaseSummary, PredictionKind
from ...jobs.structure_score import StructureScore
from ...study.errors import UserError
from ...study.model import Role
from ..evaluation.scoring import evaluate_round
from ..inference.bundle import TrainedModel, save_bundle
from ..inference.predict import optimize_model
from .case_predictions import CasePredictor
from .prepare import JobContext
from .training_round import TrainingRound


def run_train_job(context: JobContext) -> dict[str, Any]:
    """Train, or resume a training, and return the content of result.json.

    Raises:
        UserError: The training has diverged, or a file cannot be read or written.
        JobStopped: The user requested a stop; a resumed job continues from there.
    """
    training = TrainingRound(context)
    training.train()
    return {**_finish(context, training), "cpu_seconds": training.cpu_seconds}


def _finish(context: JobContext, training: TrainingRound) -> dict[str, Any]:
    """Save the model, segment all cases and score the validation cases."""
    folder, reporter = context.folder, context.reporter
    reporter.start_stage("model", "Saving the model")
    model = training.trained_model(context.cases_of(Role.LABELED))
    save_bundle(folder.model, model)
    summaries = _predict_all(context, model)
    reporter.start_stage("evaluate", "Scoring the validation cases", len(context.cases_of(Role.VALIDATION)))
    scores = evaluate_round(
        folder, progress=reporter.progress, on_failure=lambda failure: reporter.emit(WarningRaised(str(failure)))
    )
    return {
        "kind": context.spec.kind,
        "method": context.spec.method,
        "steps": context.settings["steps"],
        "model": folder.model.name,
        "report": folder.report.name,
        "mean_dice": {kind: _mean_dice(scores, kind) for kind in get_args(PredictionKind)},
        "cases": [vars(summary) for summary in summaries],
    }


def _predict_all(context: JobContext, model: TrainedModel) -> list[CaseSummary]:
    predictor = CasePredictor(optimize_model(model), context.folder.predictions, context.settings, context.device)
    # A training of a comparison is there for its scores only.
    cases = [case for case in context.spec.cases if context.spec.kind == "train" or case.role is Role.VALIDATION]
    summaries = []
    for result in predictor.predict_each(cases, context.reporter):
        # Every image was read before the training, so this concerns the round as a whole, such as a full disk.
        if isinstance(result, UserError):
            raise result
        summaries.append(result)
    return summaries


def _mean_dice(scores: Sequence[StructureScore], kind: PredictionKind) -> float | None:
    """Return the mean over validation cases and structures of one prediction, None without such cases."""
    values = [score.dice for score in scores if score.kind == kind]
    return sum(values) / len(values) if values else None
