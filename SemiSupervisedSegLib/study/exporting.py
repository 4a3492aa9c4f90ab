"""Annotations and predictions as files that other programs read: segmentations, and labelmaps with a colour table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from . import dicom_seg
from .annotations import read_annotation
from .dicom import series_files
from .errors import UserError
from .files import write_bytes_atomically, write_error, write_text_atomically
from .images import metadata_of, read_image, write_image
from .model import Structure, Study, name_key
from .segments import attach_metadata, segment_metadata, segmentation_metadata, structures_of

SEGMENTATION = "seg.nrrd"
FORMATS = (SEGMENTATION, "nii.gz", "nrrd", dicom_seg.SUFFIX)
COLOR_TABLE = "structures.ctbl"
FindSlices = Callable[[Path], Sequence[Path]]
"""Finds the DICOM files of the slices of an image; none when it did not come from DICOM."""


@dataclass(frozen=True)
class Source:
    """A segmentation that can be exported.

    Attributes:
        case_id: Name of the exported file.
        path: File of the segmentation.
        image: Image, or folder of a DICOM series, that it belongs to.
        structures: Structures of the study; None for a prediction, whose file names its own.
        terminology: Terminology entries of the study by `name_key` of the structure, which come before those of a
            prediction's file: the user may have chosen them since.
    """

    case_id: str
    path: Path
    image: Path
    structures: tuple[Structure, ...] | None
    terminology: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_prediction(self) -> bool:
        """Whether a model made it, and not a person."""
        return self.structures is None


def annotation_sources(study: Study) -> list[Source]:
    """Return the annotations of a study, in the order of its cases."""
    return [
        Source(case.id, path, study.image_path(case), study.structures)
        for case in study.cases
        if (path := study.annotation_path(case)) is not None
    ]


def with_terminology(sources: Sequence[Source], structures: Sequence[Structure]) -> list[Source]:
    """Return the sources with the terminology that these structures of the study have now."""
    entries = {name_key(item.name): item.terminology for item in structures if item.terminology}
    return [dataclasses.replace(source, terminology=entries) for source in sources]


def chosen_sources(sources: Sequence[Source], case_ids: Sequence[str]) -> list[Source]:
    """Return the sources of these cases, of all when none is named; raises UserError without a segmentation."""
    available = {source.case_id: source for source in sources}
    if not available:
        raise UserError("There is nothing to export yet.", "Annotate a case, or choose a finished round.")
    for case_id in case_ids:
        if case_id not in available:
            raise UserError(f"There is no segmentation of case {case_id!r}.", "Choose from: " + ", ".join(available))
    return [available[case_id] for case_id in dict.fromkeys(case_ids)] if case_ids else list(sources)


def slices_of_series(image: Path) -> Sequence[Path]:
    """Return the DICOM files of an image that is the folder of a series, none of any other image."""
    return [Path(file) for file in series_files(image)] if image.is_dir() else []


def export_cases(
    sources: Sequence[Source], folder: Path, suffix: str, find_slices: FindSlices = slices_of_series
) -> Iterator[Path | UserError]:
    """Write every source as `case_id.suffix` into a folder, and give its file or the reason why there is none.

    A colour table lies beside labelmaps, and nothing is replaced.

    Args:
        sources: Segmentations to export, of one set of structures.
        folder: Folder of the files, made when it does not exist.
        suffix: One of FORMATS.
        find_slices: Function that finds the DICOM files of an image, for DICOM SEG.

    Raises:
        UserError: A file is there already, or the folder or its colour table cannot be written.
    """
    targets = _prepare_targets(sources, folder, suffix)
    if suffix not in (SEGMENTATION, dicom_seg.SUFFIX):
        _write_color_table(sources, folder)
    for source, target in zip(sources, targets, strict=True):
        try:
            if suffix == dicom_seg.SUFFIX:
                _export_dicom(source, target, find_slices(source.image))
            else:
                _export_source(source, target)
            yield target
        except UserError as error:
            yield UserError(f"Case {source.case_id}: {error.message}", error.advice)


def describe_export(results: Sequence[Path | UserError], folder: Path) -> str:
    """Return a sentence that says how many of the cases were exported, and where."""
    written = sum(1 for result in results if isinstance(result, Path))
    of_all = "" if written == len(results) else f" of {len(results)}"
    return f"Exported {written}{of_all} case{'' if len(results) == 1 else 's'} to {folder}."


def _prepare_targets(sources: Sequence[Source], folder: Path, suffix: str) -> list[Path]:
    if suffix == dicom_seg.SUFFIX and (reason := dicom_seg.missing_package()):
        raise UserError(reason, "Install it, or export as segmentation or labelmap.")
    targets = [folder / f"{source.case_id}.{suffix}" for source in sources]
    for target in targets:
        if target.exists():
            raise UserError(f"{target} exists already.", "Choose another folder, or remove the file first.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return targets


def _export_source(source: Source, target: Path) -> None:
    as_segmentation = target.name.endswith(SEGMENTATION)
    if as_segmentation and source.is_prediction and not _has_other_terms(source):
        write_bytes_atomically(target, _content(source.path))
        return
    image = label_image(source)
    if as_segmentation:
        attach_metadata(image, segmentation_metadata())
        for number, structure in enumerate(source_structures(source)):
            attach_metadata(image, segment_metadata(number, structure, image.GetSize()))
    write_image(target, image)


def _has_other_terms(source: Source) -> bool:
    return bool(source.terminology) and source_structures(source) != structures_of(source.path)


def _export_dicom(source: Source, target: Path, slices: Sequence[Path]) -> None:
    if not slices:
        raise UserError(
            "The image did not come from DICOM, or its DICOM files are gone.",
            "Leave this case out, or export it as segmentation or labelmap.",
        )
    labels = label_image(source)
    dicom_seg.write_dicom_seg(target, labels, source_structures(source), slices, automatic=source.is_prediction)


def label_image(source: Source) -> sitk.Image:
    """Return the segmentation as uint8 label values on the image's grid; raises UserError if unreadable."""
    if source.structures is None:
        # The voxels of predictions hold label values, and they may be empty.
        image = read_image(source.path)
        for key in metadata_of(image):
            image.EraseMetaData(key)
        return image
    classes = read_annotation(source.path, source.structures, read_image(source.image))
    lookup = np.array([0, *(structure.label for structure in source.structures)], dtype=np.uint8)
    image = sitk.GetImageFromArray(lookup[sitk.GetArrayViewFromImage(classes)])
    image.CopyInformation(classes)
    return image


def source_structures(source: Source) -> tuple[Structure, ...]:
    """Return the structures of a source; raises UserError when a prediction's file cannot be read."""
    if source.structures is not None:
        return source.structures
    return tuple(
        dataclasses.replace(item, terminology=source.terminology.get(name_key(item.name), item.terminology))
        for item in structures_of(source.path)
    )


def _write_color_table(sources: Sequence[Source], folder: Path) -> None:
    """Write the colour table of these sources' labelmaps; raises UserError when another one is there already."""
    path, content = folder / COLOR_TABLE, color_table(source_structures(sources[0]))
    if path.exists() and _content(path) != content.encode():
        raise UserError(f"{path} belongs to other label values.", "Choose another folder.")
    write_text_atomically(path, content)


def color_table(structures: Sequence[Structure]) -> str:
    """Return a colour table of 3D Slicer for labelmaps: index, name, red, green, blue and opacity a line."""
    lines = ["# Color table file: index name r g b a", "0 Background 0 0 0 0"]
    for structure in sorted(structures, key=lambda item: item.label):
        # Blanks separate the columns.
        name = "_".join(structure.name.split())
        lines.append(f"{structure.label} {name} {' '.join(map(str, structure.color))} 255")
    return "\n".join(lines) + "\n"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path.name} could not be read in {path.parent}.", "Put it back, or make it again.") from error
