"""Predictions of a trained model for the cases of a job, as files on each case's own grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...jobs.results import SUMMARY, CaseSummary, read_summary
from ...jobs.spec import JobCase
from ...planning.cache import annotated_classes
from ...planning.warnings import image_warnings
from ...study.errors import UserError
from ...study.images import read_image
from ..device import Device, is_out_of_memory
from ..inference.bundle import TrainedModel
from ..inference.predict import predict_image, restrict_to_classes
from ..inference.sliding_window import mirrored_axes_of, overlap_of_windows
from ..inference.write import write_case_prediction
from .reporter import Reporter

_TOO_LARGE = (
    "The memory of the device does not suffice to segment this image.",
    "Close other programs that use the device, segment on the processor, or crop the image.",
)


@dataclass(frozen=True)
class CasePredictor:
    """Segments the cases of a job, each into a separate folder.

    Attributes:
        model: Model on the device, best from `optimize_model`.
        folder: Folder of all predictions.
        settings: "window_overlap", "window_stride", "mirrored_prediction", "augmentation" and "largest_component".
        device: Device of the model.
        on_warning: Function that takes warnings about new images; None for those of a training, which warned earlier.
    """

    model: TrainedModel
    folder: Path
    settings: Mapping[str, Any]
    device: Device
    on_warning: Callable[[str], None] | None = None

    def predict(self, case: JobCase) -> CaseSummary:
        """Segment one case and write both predictions and their maps to `folder / case.id`.

        Raises:
            UserError: The image cannot be read or the files cannot be written.
        """
        image = read_image(case.image)
        model = self.model
        if self.on_warning is not None:
            for warning in image_warnings(case.id, image, model.plan):
                self.on_warning(warning)
        classes = annotated_classes(case, model.structures)
        if not model.shared_anatomy and classes is not None:
            model = restrict_to_classes(model, classes)
        prediction = predict_image(
            model,
            image,
            device=self.device.torch,
            overlap=overlap_of_windows(self.settings, model.plan),
            autocast=self.device.autocast(),
            mirrored_axes=mirrored_axes_of(self.settings),
        )
        largest = self.settings["largest_component"]
        return write_case_prediction(self.folder, case.id, prediction, model.plan, image, model.structures, largest)

    def predict_each(self, cases: Sequence[JobCase], reporter: Reporter) -> Iterator[CaseSummary | UserError]:
        """Segment the cases one by one and yield the summary of each, or what is wrong with it.

        Cases that an interrupted run of the same job has completed are not predicted again.

        Raises:
            JobStopped: A stop was requested; the complete predictions stay.
        """
        reporter.start_stage("predict", "Segmenting images", len(cases))
        for done, case in enumerate(cases, start=1):
            try:
                complete = (self.folder / case.id / SUMMARY).is_file()
                yield read_summary(self.folder / case.id) if complete else self.predict(case)
            except UserError as error:
                yield UserError(f"Case {case.id}: {error.message}", error.advice)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                yield UserError(f"Case {case.id}: {_TOO_LARGE[0]}", _TOO_LARGE[1])
            reporter.progress(done, len(cases))
