"""What leaves a study: segmentations case by case, the trained model as a bundle, the report."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ...jobs.continuation import model_of
from ...jobs.folder import JobFolder
from ...study import dicom_seg
from ...study.errors import UserError
from ...study.exporting import (
    SEGMENTATION,
    Source,
    annotation_sources,
    export_source,
    label_image,
    prediction_sources,
    prepare_targets,
    source_structures,
    write_color_table,
)
from ...study.files import atomic_folder, atomic_path, write_bytes_atomically
from ...study.model import Study

# Of an image, the DICOM files of its slices; none when it did not come from DICOM.
FindSlices = Callable[[Path], Sequence[Path]]


def exportable_annotations(study: Study) -> list[Source]:
    """The annotations and accepted results of a study."""
    return annotation_sources(study)


def exportable_predictions(folder: JobFolder) -> list[Source]:
    """The final predictions of a round; raises UserError when the round cannot be read."""
    return prediction_sources(folder.predictions, ((case.id, Path(case.image)) for case in folder.spec().cases))


def export_cases(
    sources: Sequence[Source], folder: Path, suffix: str, find_slices: FindSlices
) -> Generator[tuple[int, int], None, list[Path]]:
    """Write the sources into a folder one by one, and give (done, total) after each; nothing is replaced.

    Args:
        sources: what to export, of one set of structures.
        folder: is made when it does not exist.
        suffix: one of `study.exporting.FORMATS`, or `dcm` for DICOM SEG.
        find_slices: finds the DICOM files of an image, for DICOM SEG.

    Returns:
        The written files.

    Raises:
        UserError: a file is there already, a segmentation does not fit its image, a case did not come from DICOM, or
            a file cannot be written.
    """
    targets = prepare_targets(sources, folder, suffix)
    if suffix not in (SEGMENTATION, dicom_seg.SUFFIX):
        write_color_table(sources, folder)
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), 1):
        if suffix == dicom_seg.SUFFIX:
            _export_dicom(source, target, find_slices(source.image))
        else:
            export_source(source, target)
        yield number, len(sources)
    return targets


def copy_model(folder: JobFolder, target: Path) -> None:
    """Copy the model of a round as a folder, complete or not at all; raises UserError when it cannot be written."""
    model = model_of(folder)
    if target.exists():
        raise UserError(f"{target} exists already.", "Choose another name.")
    with atomic_folder(target) as new:
        shutil.copytree(model, new, dirs_exist_ok=True)


def zip_model(folder: JobFolder, target: Path) -> None:
    """Write the model of a round as one .zip file whose top folder has the file's name.

    Raises:
        UserError: the round has no model, or the file cannot be written.
    """
    model = model_of(folder)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(model.rglob("*")):
            if path.is_file():
                archive.write(path, Path(target.stem) / path.relative_to(model))


def copy_report(folder: JobFolder, target: Path) -> None:
    """Copy the report of a round, which is one file with its pictures; raises UserError when that is not possible."""
    try:
        content = folder.report.read_bytes()
    except OSError as error:
        raise UserError(f"Round {folder.name} has no report.", "Choose another round.") from error
    write_bytes_atomically(target, content)


def _export_dicom(source: Source, target: Path, slices: Sequence[Path]) -> None:
    if not slices:
        raise UserError(
            f"The image of {source.case_id} did not come from DICOM, or its DICOM files are gone.",
            "Leave this case out, or export it as segmentation or labelmap.",
        )
    dicom_seg.write_dicom_seg(
        target, label_image(source), source_structures(source), slices, automatic=source.is_prediction
    )
