"""Specifications of new jobs: a training on a study as it is now, or predictions of a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..study.errors import UserError
from ..study.model import Case, Role, Study
from ..study.names import default_id, free_id
from .catalogue import load_catalogue
from .folder import JobFolder
from .model_folder import check_model, read_description
from .needs import missing_in_study
from .rounds import next_round
from .spec import JobCase, JobSpec, SettingValue
from .versions import installed_versions

DEFAULT_PRESET = "standard"
PREDICTION = "predict"
"""The end of the name of a round that predicts and does not train, such as 004-predict."""
PREVIEWED_CASES = 3


def make_training_spec(
    study: Study,
    method: str,
    preset: str,
    settings: Mapping[str, SettingValue],
    *,
    device: str = "auto",
    seed: int = 0,
    warm_start: Path | None = None,
    watched_case: str | None = None,
) -> JobSpec:
    """Return the job that trains a method on a study as it is now.

    Args:
        study: Study whose cases are frozen in the job; ignored ones are left out.
        method: Id of the method in the catalogue.
        preset: Id of the preset in the catalogue.
        settings: Settings that the user changed, by name, as values or as text.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seed: Seed of everything random.
        warm_start: Model folder of an earlier round to start from.
        watched_case: Id of a case that is previewed while training, beside those chosen anyway.

    Raises:
        UserError: The settings cannot be used, the study lacks cases or annotations that the method needs, or there is
            no earlier model in the folder.
    """
    catalogue = load_catalogue()
    if (problem := missing_in_study(study, catalogue.method(method))) is not None:
        raise problem
    if warm_start is not None:
        read_description(warm_start)
    catalogue.resolve(method, preset, settings)
    cases = [case for case in study.cases if case.role != Role.IGNORED]
    return JobSpec(
        kind="train",
        method=method,
        preset=preset,
        settings=catalogue.method(method).check(settings),
        device=device,
        seed=seed,
        study_name=study.name,
        modality=study.modality,
        structures=study.structures,
        cases=tuple(job_case(study, case) for case in cases),
        warm_start=None if warm_start is None else str(warm_start.absolute()),
        preview_cases=_preview_cases(cases, watched_case),
        versions=installed_versions(),
    )


def job_case(study: Study, case: Case) -> JobCase:
    """Return a case of a study as a job keeps it, with absolute paths; later changes of the study do not reach it."""
    annotation = study.annotation_path(case)
    return JobCase(
        id=case.id,
        image=str(study.image_path(case)),
        site=case.site,
        role=case.role,
        external=study.is_external(case),
        annotation=None if annotation is None else str(annotation),
        structures=case.structures,
    )


def make_prediction_spec(
    name: str, images: Sequence[Path], model: Path, *, device: str = "auto", threads: int | None = None
) -> JobSpec:
    """Return the job that segments image files with a trained model.

    Args:
        name: Name of the set of images, for reports.
        images: Image files, or folders of a DICOM series; only the worker reads them.
        model: The folder `model` of a round, or a copy of one.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: Processor cores to use; None for as many as the training used.

    Raises:
        UserError: There is no model, or the number of threads cannot be used.
    """
    check_model(model)
    settings: dict[str, SettingValue] = {}
    if threads is not None:
        settings = load_catalogue().method(read_description(model).method).check({"threads": threads})
    cases: dict[str, JobCase] = {}
    for image in images:
        case_id = free_id(cases, default_id(image.absolute()))
        cases[case_id.casefold()] = JobCase(case_id, str(image.absolute()), "", Role.UNLABELED, external=False)
    spec = _prediction_spec(name, tuple(cases.values()), model, device)
    return replace(spec, settings=settings)


def new_prediction_round(study: Study, case_ids: Sequence[str], model: Path, *, device: str = "auto") -> JobFolder:
    """Make the round that segments some cases of a study with a trained model, ready to be run; no image is read.

    Args:
        study: Study whose cases are segmented.
        case_ids: Ids of these cases.
        model: The folder `model` of a round, or a copy of one.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: The folder holds no model, no case is chosen, or the round cannot be made.
    """
    check_model(model)
    cases = tuple(job_case(study, study.case(case_id)) for case_id in dict.fromkeys(case_ids))
    if not cases:
        raise UserError("No image is chosen.", "Choose at least one image.")
    folder = next_round(study.folder, PREDICTION)
    folder.write_spec(_prediction_spec(study.name, cases, model, device))
    return folder


def _prediction_spec(name: str, cases: tuple[JobCase, ...], model: Path, device: str) -> JobSpec:
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
        cases=cases,
        model=str(model.absolute()),
        versions=installed_versions(),
    )


def _preview_cases(cases: list[Case], watched: str | None) -> tuple[str, ...]:
    # Validation cases first: they can be compared with their annotation. The case that the user sees comes before all.
    order = {Role.VALIDATION: 0, Role.UNLABELED: 1, Role.LABELED: 2}
    ranked = sorted(cases, key=lambda case: (case.id != watched, order[case.role]))
    return tuple(case.id for case in ranked[:PREVIEWED_CASES])
