"""From a study as it is now to the job that trains on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..study.model import Case, Role, Study
from .catalogue import load_catalogue
from .needs import missing_in_study
from .spec import JobCase, JobSpec, SettingValue
from .versions import installed_versions

DEFAULT_PRESET = "standard"
_PREVIEWED_CASES = 3


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
    """The job that trains a method on a study as it is now.

    Args:
        study: whose cases are frozen in the job; ignored ones are left out.
        method: id in the catalogue.
        preset: id in the catalogue.
        settings: what the user set beside the preset, by name, as values or as text.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seed: decides everything random.
        warm_start: the model folder of an earlier round to begin from.
        watched_case: id of a case that is previewed while training, beside those chosen anyway.

    Raises:
        UserError: The settings cannot be used, or the study lacks cases or annotations that the method needs.
    """
    catalogue = load_catalogue()
    if (problem := missing_in_study(study, catalogue.method(method))) is not None:
        raise problem
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
    """A case of a study as a job keeps it, with absolute paths, so that later changes of the study do not reach it."""
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


def _preview_cases(cases: list[Case], watched: str | None) -> tuple[str, ...]:
    # Validation cases first: there the annotation can be compared with. What the user looks at comes before all.
    order = {Role.VALIDATION: 0, Role.UNLABELED: 1, Role.LABELED: 2}
    ranked = sorted(cases, key=lambda case: (case.id != watched, order[case.role]))
    return tuple(case.id for case in ranked[:_PREVIEWED_CASES])
