"""Everything that can be wrong with a study, checked before a job starts and described for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .annotations import read_annotation
from .duplicates import image_digest, repeated_images
from .errors import UserError
from .geometry import Geometry
from .image_files import is_label_map
from .images import read_image
from .model import Case, Role, Study
from .segments import is_segmentation

_MOST_NAMES = 5
# Fewer cases do not show what is usual.
_FEW = 3
# Centimetres taken for millimetres are 10 times off; protocols differ by less.
_ODD = 8.0


def check_study(study: Study, progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Check the study and all cases that are not ignored, and return warnings.

    `progress` gets the number of cases done. Raises UserError when there is no labeled case or a case cannot be used.
    """
    check_roles(study)
    cases = [case for case in study.cases if case.role != Role.IGNORED]
    findings = Findings(study)
    for number, case in enumerate(cases, 1):
        findings.read(case)
        progress(number, len(cases))
    return findings.warnings()


class Findings:
    """Properties of the cases of a study, collected while each is read once.

    Args:
        study: Study whose cases are read.

    Attributes:
        geometries: Grid of each image that was read, by case id.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._digests: list[tuple[Case, str]] = []
        self.geometries: dict[str, Geometry] = {}

    def read(self, case: Case) -> None:
        """Read and check a case; raises UserError as `read_case`."""
        image = read_case(self._study, case)
        self.geometries[case.id] = Geometry.of(image)
        self._digests.append((case, image_digest(image)))

    def warnings(self) -> list[str]:
        """Return what a user should know about a study that can be used."""
        return [
            *_missing_roles(self._study),
            *_shared_annotations(self._study),
            *_flat(self.geometries),
            *_odd_spacings(self.geometries),
            *repeated_images(self._digests),
        ]


def _missing_roles(study: Study) -> list[str]:
    if study.cases_of(Role.VALIDATION):
        return []
    return ["The study has no validation case, so it will not be known how well a model works."]


def _shared_annotations(study: Study) -> list[str]:
    # Images of one patient on one grid may share it; in a table it is more often the line above that was copied.
    first: dict[Path, Case] = {}
    return [
        f"The cases {first[path].id} and {case.id} have the same annotation ({path.name}); check that it shows both."
        for case in study.cases
        if case.role.needs_annotation and (path := study.annotation_path(case)) is not None
        if first.setdefault(path, case) is not case
    ]


def _flat(geometries: Mapping[str, Geometry]) -> list[str]:
    warnings = []
    flat = [case_id for case_id, geometry in geometries.items() if min(geometry.size) == 1]
    if flat and len(flat) == len(geometries):
        warnings.append("All images have one slice only, so the study is segmented in 2D.")
    elif flat:
        names = ", ".join(flat[:_MOST_NAMES]) + (" and others" if len(flat) > _MOST_NAMES else "")
        warnings.append(f"These cases have one slice only and can be segmented in 2D only: {names}.")
    return warnings


def _odd_spacings(geometries: Mapping[str, Geometry]) -> list[str]:
    """Return a sentence for each case whose voxels are far larger or smaller than those of most cases."""
    if len(geometries) < _FEW:
        return []
    sizes = {case_id: float(np.prod(grid.spacing)) ** (1 / 3) for case_id, grid in geometries.items()}
    usual = float(np.median(list(sizes.values())))
    return [
        f"The voxels of {case_id} ({geometries[case_id].spacing_text()} mm) are {max(size / usual, usual / size):.0f} "
        f"times {'larger' if size > usual else 'smaller'} than those of most cases; their unit may not be mm."
        for case_id, size in sizes.items()
        if max(size / usual, usual / size) > _ODD
    ]


def check_roles(study: Study) -> None:
    """Raise UserError when the study has no labeled case, which every training needs; no image is read."""
    if not study.cases_of(Role.LABELED):
        raise UserError("The study has no labeled case.", "Annotate at least one case and give it the role labeled.")


def read_case(study: Study, case: Case) -> sitk.Image:
    """Return the image of a case with all of its files checked; raises UserError, naming the case, if one is bad."""
    if case.annotation is None and case.role.needs_annotation:
        raise UserError(
            f"The case {case.id} has the role {case.role.value}, but no annotation.",
            "Add its annotation or change its role.",
        )
    try:
        image = _read_case_image(study, case)
        annotation = study.annotation_path(case)
        if annotation is not None:
            read_annotation(annotation, study.structures, image, case.structures)
    except UserError as error:
        raise UserError(f"Case {case.id}: {error.message}", error.advice) from error
    return image


def _read_case_image(study: Study, case: Case) -> sitk.Image:
    path = study.image_path(case)
    if path.is_file() and is_segmentation(path):
        raise UserError(f"{path.name} is a segmentation and not an image.", "Choose the image that it belongs to.")
    image = read_image(path)
    if is_label_map(image, study.structures):
        raise UserError(
            f"{path.name} has no values but label values of the study, so it is a label map and not an image.",
            "Choose the image that it belongs to, and give this file as its annotation.",
        )
    return image
