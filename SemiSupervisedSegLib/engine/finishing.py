"""The end of a round: the model, the predictions of all cases, the scores and the report."""

from __future__ import annotations

from typing import Any

from ..jobs.folder import JobFolder
from ..jobs.spec import JobSpec
from .case_predictions import predict_cases
from .device import Device
from .inference.bundle import save_bundle
from .methods.method import Method
from .preparation import Preparation
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
    return {
        "kind": "train",
        "method": spec.method,
        "steps": prepared.settings["steps"],
        "model": folder.model.name,
        "cases": [vars(summary) for summary in summaries],
    }
