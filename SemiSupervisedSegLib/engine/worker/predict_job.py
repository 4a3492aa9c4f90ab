"""A trained model applied to new images, as a job."""

from __future__ import annotations

import os
from typing import Any

from ...jobs.catalogue import load_catalogue
from ...jobs.events import Started
from ...jobs.folder import JobFolder
from ...jobs.spec import JobSpec
from ...study.errors import UserError
from ..device import choose_device
from ..inference.bundle import TrainedModel, load_bundle
from .case_predictions import predict_cases
from .reporter import Reporter

_NEEDED = ("precision", "threads", "window_overlap", "largest_component")


def run_predict_job(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    """Segment the job's cases with its model and return the content of result.json.

    Raises:
        UserError: the model or an image cannot be used.
        JobStopped: the user asked to end.
    """
    if spec.model is None:
        raise UserError("The job names no model.", "Choose the folder called model of a finished round.")
    model = load_bundle(spec.model)
    settings = _settings(model, spec)
    device = choose_device(spec.device, settings["precision"], settings["threads"])
    model.network.to(device.torch)
    reporter.emit(Started(device.title, os.getpid()))
    summaries = predict_cases(model, spec.cases, folder.predictions, settings, device, reporter)
    return {"kind": "predict", "cases": [vars(summary) for summary in summaries]}


def _settings(model: TrainedModel, spec: JobSpec) -> dict[str, Any]:
    """What decides about predictions: as the job has it, else as the model was trained with."""
    try:
        method, values = load_catalogue().method(model.method), {**model.training["settings"], **spec.settings}
        return {name: method.setting(name).parse(values[name]) for name in _NEEDED}
    except (KeyError, TypeError, UserError) as error:
        raise UserError(
            "The description of the model (metadata.json) is damaged.",
            "Choose the model folder of another round, or train again.",
        ) from error
