"""A trained model applied to new images, as a job."""

from __future__ import annotations

import os
from typing import Any

from ...jobs.catalogue import load_catalogue
from ...jobs.events import Started, WarningRaised
from ...jobs.folder import JobFolder
from ...jobs.results import CaseSummary
from ...jobs.spec import JobSpec
from ...study.errors import UserError, all_failures
from ..device import choose_device
from ..inference.bundle import TrainedModel, load_bundle
from ..inference.predict import optimize_model
from .case_predictions import CasePredictor
from .reporter import Reporter

_NEEDED = (
    *("precision", "threads", "window_overlap", "window_stride", "largest_component"),
    *("mirrored_prediction", "augmentation"),
)


def run_predict_job(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    """Segment the cases of a job with its model and return the content of result.json; one bad image stops no other.

    Raises:
        UserError: The model or none of the images can be used.
        JobStopped: A stop was requested.
    """
    if spec.model is None:
        raise UserError("The job names no model.", "Choose the folder called model of a finished round.")
    model = load_bundle(spec.model)
    settings = _settings(model, spec)
    device = choose_device(spec.device, settings["precision"], settings["threads"])
    model.network.to(device.torch)
    reporter.emit(Started(device.title, os.getpid()))
    predictor = CasePredictor(
        optimize_model(model),
        folder.predictions,
        settings,
        device,
        on_warning=lambda text: reporter.emit(WarningRaised(text)),
    )
    summaries: list[CaseSummary] = []
    failures: list[UserError] = []
    for result in predictor.predict_each(spec.cases, reporter):
        if isinstance(result, UserError):
            failures.append(result)
            reporter.emit(WarningRaised(str(result)))
        else:
            summaries.append(result)
    if failures and not summaries:
        raise all_failures(failures)
    failed = [{"message": failure.message, "advice": failure.advice} for failure in failures]
    return {"kind": "predict", "cases": [vars(summary) for summary in summaries], "failed": failed}


def _settings(model: TrainedModel, spec: JobSpec) -> dict[str, Any]:
    """Return the settings of predictions: those of the job, else those that the model was trained with."""
    try:
        method, values = load_catalogue().method(model.method), {**model.training["settings"], **spec.settings}
        # Models of older programs do not know every setting.
        needed = {name: method.setting(name) for name in _NEEDED}
        return {name: setting.parse(values.get(name, setting.default)) for name, setting in needed.items()}
    except (KeyError, TypeError, UserError) as error:
        raise UserError(
            "The description of the model (metadata.json) is damaged.",
            "Choose the model folder of another round, or train again.",
        ) from error
