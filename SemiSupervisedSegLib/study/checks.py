"""Everything that can be wrong with a study, found before a job starts and said in words for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .annotations import read_annotation
from .errors import UserError
from .images import Geometry, read_image
from .model import Case, Role, Study

_MOST_NAMES = 5


def check_study(study: Study, progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Check the study and all cases that are not ignored, and return warnings.

    `progress` is told how many cases are done. Raises UserError when there is no labeled case or a case cannot be used.
    """
    check_roles(study)
    cases = [case for case in study.cases if case.role != Role.IGNORED]
    geometries = {}
    for number, case in enumerate(cases, 1):
        geometries[case.id] = check_case(study, case)
        progress(number, len(cases))
    return geometry_warnings(study, geometries)


def geometry_warnings(study: Study, geometries: Mapping[str, Geometry]) -> list[str]:
    """What a user should know about a study that can be used; `geometries` are the grids of its images by case id."""
    warnings = []
    if not study.cases_of(Role.VALIDATION):
        warnings.append("The study has no validation case, so nobody will know how well a model works.")
    flat = [case_id for case_id, geometry in geometries.items() if min(geometry.size) == 1]
    if flat and len(flat) == len(geometries):
        warnings.append("All images have one slice only, so the study is segmented in 2D.")
    elif flat:
        names = ", ".join(flat[:_MOST_NAMES]) + (" and others" if len(flat) > _MOST_NAMES else "")
        warnings.append(f"These cases have one slice only and can be segmented in 2D only: {names}.")
    return warnings


def check_roles(study: Study) -> None:
    """Raise UserError when the study has no labeled case, which every training needs; no image is read."""
    if not study.cases_of(Role.LABELED):
        raise UserError("The study has no labeled case.", "Annotate at least one case and give it the role labeled.")


def check_case(study: Study, case: Case) -> Geometry:
    """Read the files of one case and return the grid of its image; raises UserError, naming the case, if one is bad."""
    if case.annotation is None and case.role.needs_annotation:
        raise UserError(
            f"The case {case.id} has the role {case.role.value}, but no annotation.",
            "Add its annotation or change its role.",
        )
    try:
        image = read_image(study.image_path(case))
        annotation = study.annotation_path(case)
        if annotation is not None:
            read_annotation(annotation, study.structures, image, case.structures)
    except UserError as error:
        raise UserError(f"Case {case.id}: {error.message}", error.advice) from error
    return Geometry.of(image)
