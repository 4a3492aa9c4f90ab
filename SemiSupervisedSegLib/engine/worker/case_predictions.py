"""Predictions of a trained model for the cases of a job, as files on each case's own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...jobs.results import SUMMARY, CaseSummary, read_summary
from ...jobs.spec import JobCase
from ...planning.cache import annotated_classes
from ...planning.tasks import visible_classes
from ...study.images import read_image
from ..device import Device
from ..inference.bundle import TrainedModel
from ..inference.predict import about, for_prediction, predict_image
from ..inference.write import write_case_prediction
from .reporter import Reporter


def predict_case(
    model: TrainedModel, case: JobCase, folder: Path, settings: Mapping[str, Any], device: Device
) -> CaseSummary:
    """Segment one case and write both predictions and their maps to ``folder / case.id``.

    Args:
        model: on the device.
        case: whose image is read.
        folder: of all predictions.
        settings: "window_overlap", "largest_component", and what `visible_classes` needs.
        device: of the model.

    Raises:
        UserError: the image cannot be read or the files cannot be written.
    """
    image = read_image(case.image)
    shown = visible_classes(annotated_classes(case, model.structures), settings)
    if shown is not None:
        model = about(model, shown)
    overlap = settings["window_overlap"]
    prediction = predict_image(model, image, device=device.torch, overlap=overlap, autocast=device.autocast())
    largest = settings["largest_component"]
    return write_case_prediction(folder, case.id, prediction, model.plan, image, model.structures, largest)


def predict_cases(
    model: TrainedModel,
    cases: Sequence[JobCase],
    folder: Path,
    settings: Mapping[str, Any],
    device: Device,
    reporter: Reporter,
) -> list[CaseSummary]:
    """Segment all cases; those that an interrupted run of the same job has completed are not done again.

    Raises:
        UserError: see :func:`predict_case`.
        JobStopped: the user asked to end; what is complete stays.
    """
    reporter.start_stage("predict", "Segmenting all cases", len(cases))
    summaries, model = [], for_prediction(model)
    for done, case in enumerate(cases, start=1):
        complete = (folder / case.id / SUMMARY).is_file()
        summaries.append(
            read_summary(folder / case.id) if complete else predict_case(model, case, folder, settings, device)
        )
        reporter.progress(done, len(cases))
    return summaries
