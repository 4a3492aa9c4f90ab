"""A model applied to hundreds of images: stopped, continued, and past an image that is too large for the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.worker import case_predictions, reporter
from SemiSupervisedSegLib.engine.worker.worker import main
from SemiSupervisedSegLib.jobs.events import Cancelled
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_prediction_spec
from SemiSupervisedSegLib.jobs.results import CaseSummary, write_summary

from .rounds import EXIT_CANCELLED, EXIT_FINISHED

COUNT, STOPPED_AT, TOO_LARGE = 300, 100, 250


@pytest.fixture
def folder(finished: JobFolder, tmp_path: Path) -> JobFolder:
    """The job that applies a model to 300 images."""
    image, images = sitk.GetImageFromArray(np.zeros((2, 4, 4), np.int16)), []
    for number in range(COUNT):
        image.SetOrigin((float(number), 0.0, 0.0))
        images.append(tmp_path / f"image-{number:03d}.nrrd")
        sitk.WriteImage(image, str(images[-1]))
    made = JobFolder(tmp_path / "out")
    made.write_spec(make_prediction_spec("many", images, finished.model, device="cpu"))
    return made


@pytest.fixture
def segmented(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The images that were segmented; the network and the files of its results need no time, and a user stops once."""
    done: list[float] = []

    def predict(model: object, image: sitk.Image, **options: object) -> float:
        number = image.GetOrigin()[0]
        if number == TOO_LARGE:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.")
        done.append(number)
        if len(done) == STOPPED_AT:
            folder.request_cancel()
        return number

    def write(place: Path, case_id: str, *rest: object) -> CaseSummary:
        (place / case_id).mkdir(parents=True)
        summary = CaseSummary(case_id, {}, {}, {}, 0.0, 0.0)
        write_summary(place / case_id, summary)
        return summary

    monkeypatch.setattr(reporter, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(case_predictions, "predict_image", predict)
    monkeypatch.setattr(case_predictions, "write_case_prediction", write)
    monkeypatch.setattr(case_predictions, "image_warnings", lambda *arguments: ())
    return done


def test_300_images_stopped_at_100_and_continued(folder: JobFolder, segmented: list[float]) -> None:
    assert main(folder.path) == EXIT_CANCELLED
    before = len(segmented)
    assert before == STOPPED_AT
    assert isinstance(folder.events()[0][-1], Cancelled)
    assert len(list(folder.predictions.iterdir())) == before

    folder.clear_cancel()
    assert main(folder.path) == EXIT_FINISHED
    assert segmented == [number for number in range(COUNT) if number != TOO_LARGE], "each image once"
    result = folder.result()
    assert len(result["cases"]) == COUNT - 1
    (failure,) = result["failed"]
    assert failure["message"] == "Case image-250: The memory of the device does not suffice to segment this image."
    assert "segment on the processor" in failure["advice"]
