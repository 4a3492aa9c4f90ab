"""From images and a trained model to the job that segments them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..study.cases import default_id, free_id
from ..study.errors import UserError
from ..study.images import image_geometry
from ..study.model import Role
from .spec import JobCase, JobSpec
from .versions import installed_versions


def make_prediction_spec(name: str, images: Sequence[Path], model: Path, *, device: str = "auto") -> JobSpec:
    """The job that segments images with a trained model.

    Args:
        name: of the set of images, for reports.
        images: files, or folders of a DICOM series.
        model: the folder `model` of a round.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: an image cannot be read, or there is no model.
    """
    if not model.is_dir():
        raise UserError(f"There is no model in {model}.", "Choose the folder named model of a finished round.")
    return JobSpec(
        kind="predict",
        method="",
        preset="",
        settings={},
        device=device,
        seed=0,
        study_name=name,
        modality=None,
        structures=(),
        cases=_cases(images),
        model=str(model.absolute()),
        versions=installed_versions(),
    )


def _cases(images: Sequence[Path]) -> tuple[JobCase, ...]:
    cases: dict[str, JobCase] = {}
    for image in images:
        image_geometry(image)
        case_id = free_id(cases, default_id(image.absolute()))
        cases[case_id.casefold()] = JobCase(case_id, str(image.absolute()), "", Role.UNLABELED, external=False)
    return tuple(cases.values())
