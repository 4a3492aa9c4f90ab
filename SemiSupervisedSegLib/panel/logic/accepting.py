"""A result becomes the annotation of its case, and back again; no annotation is ever overwritten."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from ...jobs.folder import JobFolder
from ...jobs.results import SEGMENTATIONS, PredictionKind
from ...study.cases import stored_path
from ...study.errors import UserError
from ...study.files import write_bytes_atomically
from ...study.geometry import same_grid
from ...study.images import image_geometry
from ...study.model import Case, Role, Study, name_key
from ...study.partial_annotations import case_structures
from ...study.segments import read_segments
from .annotation_files import new_annotation_file
from .decisions import CaseBefore, Decision

# Returns the names of the structures that the case is annotated for now, None for all of the study.
WriteAnnotation = Callable[[Study, Case, Path], tuple[str, ...] | None]


def accept(study: Study, case_id: str, write: WriteAnnotation, *, use_for_training: bool) -> tuple[Study, Decision]:
    """Store a new annotation of a case in a new file and return the changed study, which is not saved.

    The file of an earlier annotation stays where it is. Call it within `Session.edit_study`, whose lock keeps other
    programs from taking the same file.

    Args:
        study: Study as it is on disk.
        case_id: Id of the case.
        write: Function that writes the annotation of a case of a study to a path.
        use_for_training: Whether a case that is not for validation becomes labeled; otherwise its role stays.

    Raises:
        UserError: There is no such case, or the annotation cannot be written.
    """
    case = study.case(case_id)
    path = new_annotation_file(study, case.id)
    structures = write(study, case, path)
    becomes_labeled = use_for_training and case.role is not Role.VALIDATION
    role = Role.LABELED if becomes_labeled else case.role
    accepted = dataclasses.replace(case, role=role, annotation=stored_path(study, path), structures=structures)
    decision = Decision("accepted", accepted.annotation, CaseBefore(case.role, case.annotation, case.structures))
    return _with_case(study, accepted), decision


def take_back(study: Study, case_id: str, decision: Decision) -> Study:
    """Give a case the role and annotation that it had before its result was accepted; the study is not saved.

    The file of the accepted result stays on disk. Raises UserError when the case got another annotation since.
    """
    case, before = study.case(case_id), decision.before
    if before is None or case.annotation != decision.annotation:
        raise UserError(
            f"{case_id} got another annotation after its result was accepted.",
            "To go back, open the case under Cases and change it there.",
        )
    restored = dataclasses.replace(case, role=before.role, annotation=before.annotation, structures=before.structures)
    return _with_case(study, restored)


def prediction_writer(folder: JobFolder, kind: PredictionKind) -> WriteAnnotation:
    """Return a function that writes the prediction `final` or `prototype` of a round as a case's annotation.

    The file is copied as it is, without decoding it: its segments are found by their names. Writing raises UserError
    when a segment is no structure of the study, or the image has changed since.
    """

    def write(study: Study, case: Case, target: Path) -> tuple[str, ...] | None:
        source = folder.predictions / case.id / SEGMENTATIONS[kind]
        names_of_study = {name_key(structure.name) for structure in study.structures}
        names = [segment.name for segment in read_segments(source)]
        unknown = [name for name in names if name_key(name) not in names_of_study]
        if unknown:
            raise UserError(
                f"The result of {case.id} has the structure {unknown[0]!r}, which the study does not have any more.",
                "Add the structure under Study, or train a new round.",
            )
        if _is_newer(study.image_path(case), source) and not _same_grid(study.image_path(case), source):
            raise UserError(
                f"The image of {case.id} has changed since it was segmented.", "Apply the model to this case again."
            )
        try:
            content = source.read_bytes()
        except OSError as error:
            raise UserError(f"The result of {case.id} could not be read.", "Segment this case again.") from error
        write_bytes_atomically(target, content)
        return case_structures(study.structures, names)

    return write


def _is_newer(image: Path, prediction: Path) -> bool:
    try:
        return image.stat().st_mtime_ns > prediction.stat().st_mtime_ns
    except OSError:
        return True


def _same_grid(image: Path, prediction: Path) -> bool:
    # Only where it has to be: the grid of a DICOM series is known when all of its files are read.
    return same_grid(image_geometry(prediction), image_geometry(image))


def _with_case(study: Study, changed: Case) -> Study:
    return dataclasses.replace(study, cases=tuple(changed if case.id == changed.id else case for case in study.cases))
