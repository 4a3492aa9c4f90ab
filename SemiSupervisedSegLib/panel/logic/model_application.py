"""A trained model applied to cases of the study: a round that predicts and does not train."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...jobs.folder import JobFolder
from ...jobs.rounds import next_round
from ...jobs.spec import JobSpec
from ...jobs.training_spec import job_case
from ...jobs.versions import installed_versions
from ...study.errors import UserError
from ...study.model import Case, Role, Study
from .new_cases import make_cases

# A round of this kind is named after it, such as 004-predict.
KIND = "predict"


def new_prediction_round(study: Study, case_ids: Sequence[str], model: Path, *, device: str = "auto") -> JobFolder:
    """Make the round that segments some cases with a trained model, ready to be run; nothing is read from the images.

    Args:
        study: whose cases are segmented.
        case_ids: of these cases.
        model: the folder `model` of a round, or a copy of one.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: the folder holds no model, no case is chosen, or the round cannot be made.
    """
    check_model(model)
    cases = tuple(job_case(study, study.case(case_id)) for case_id in dict.fromkeys(case_ids))
    if not cases:
        raise UserError("No image is chosen.", "Choose at least one image.")
    spec = JobSpec(
        kind="predict",
        method="",
        preset="",
        settings={},
        device=device,
        seed=0,
        study_name=study.name,
        modality=None,
        structures=(),
        cases=cases,
        model=str(model.absolute()),
        versions=installed_versions(),
    )
    folder = next_round(study.folder, KIND)
    folder.write_spec(spec)
    return folder


def check_model(model: Path) -> None:
    """Raise UserError when a folder is no model that a round has trained."""
    if not (model / "configs" / "metadata.json").is_file() or not (model / "models" / "model.pt").is_file():
        raise UserError(
            f"The folder {model.name} does not contain a trained model.",
            "Choose the folder called model of a finished round, or a copy of one.",
        )


def cases_to_apply_to(study: Study, images: Iterable[Path], site: str) -> tuple[Case, ...]:
    """New cases for images that the study does not have yet; no training takes them until their role is changed."""
    return tuple(dataclasses.replace(case, role=Role.IGNORED) for case in make_cases(study, images, site))
