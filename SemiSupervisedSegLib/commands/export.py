"""`export`: accepted annotations or the predictions of a round, in the format another program wants."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..jobs.rounds import find_round
from ..study.annotations import read_annotation, write_segmentation
from ..study.errors import UserError
from ..study.files import write_bytes_atomically, write_error, write_text_atomically
from ..study.images import read_image, write_image
from ..study.model import Structure, Study
from ..study.store import load_study

SEGMENTATION = "seg.nrrd"
FORMATS = (SEGMENTATION, "nii.gz", "nrrd")
COLOR_TABLE = "structures.ctbl"


@dataclass(frozen=True)
class _Source:
    """A segmentation to export; `image` is the image it was drawn on, None for a prediction."""

    case_id: str
    path: Path
    image: Path | None


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("export", help="export annotations or predictions as files of another format")
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument("--round", help="export the final predictions of this round, instead of the annotations")
    parser.add_argument("--case", metavar="ID", nargs="+", default=[], help="export these cases only")
    parser.add_argument("--format", choices=FORMATS, default=SEGMENTATION, help=f"of the files ({SEGMENTATION})")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where the files go")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export; raises UserError when a case is not there or a file would be overwritten."""
    study = load_study(options.study)
    structures, sources = _predictions(study, options.round) if options.round else _annotations(study)
    sources = _chosen(sources, options.case)
    targets = [options.output / f"{source.case_id}.{options.format}" for source in sources]
    for target in targets:
        if target.exists():
            raise UserError(f"{target} exists already.", "Choose another folder, or remove the file first.")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(options.output, error) from error
    for source, target in zip(sources, targets, strict=True):
        _export(source, target, structures)
    if options.format != SEGMENTATION:
        write_text_atomically(options.output / COLOR_TABLE, color_table(structures))
    print(f"Exported {len(sources)} case{'s' if len(sources) > 1 else ''} to {options.output}")
    return 0


def color_table(structures: Sequence[Structure]) -> str:
    """A colour table for labelmaps as 3D Slicer reads it: index, name, red, green, blue and opacity a line."""
    lines = ["# Color table file: index name r g b a", "0 Background 0 0 0 0"]
    for structure in sorted(structures, key=lambda item: item.label):
        # Blanks separate the columns.
        name = "_".join(structure.name.split())
        lines.append(f"{structure.label} {name} {' '.join(map(str, structure.color))} 255")
    return "\n".join(lines) + "\n"


def _annotations(study: Study) -> tuple[tuple[Structure, ...], list[_Source]]:
    sources = [
        _Source(case.id, path, study.image_path(case))
        for case in study.cases
        if (path := study.annotation_path(case)) is not None
    ]
    return study.structures, sources


def _predictions(study: Study, round_name: str) -> tuple[tuple[Structure, ...], list[_Source]]:
    folder = find_round(study.folder, round_name)
    spec = folder.spec()
    paths = ((case.id, folder.predictions / case.id / "final.seg.nrrd") for case in spec.cases)
    return spec.structures, [_Source(case_id, path, None) for case_id, path in paths if path.exists()]


def _chosen(sources: list[_Source], case_ids: Sequence[str]) -> list[_Source]:
    available = {source.case_id: source for source in sources}
    if not available:
        raise UserError("There is nothing to export yet.", "Annotate a case, or name a finished round with --round.")
    for case_id in case_ids:
        if case_id not in available:
            raise UserError(f"There is no segmentation of case {case_id!r}.", "Choose from: " + ", ".join(available))
    return [available[case_id] for case_id in dict.fromkeys(case_ids)] if case_ids else sources


def _export(source: _Source, target: Path, structures: Sequence[Structure]) -> None:
    as_segmentation = target.name.endswith(SEGMENTATION)
    if source.image is None:
        # Predictions are segmentations already, and their voxels hold label values.
        if as_segmentation:
            write_bytes_atomically(target, source.path.read_bytes())
        else:
            write_image(target, _without_header(read_image(source.path)))
        return
    classes = read_annotation(source.path, structures, read_image(source.image))
    if as_segmentation:
        write_segmentation(target, classes, structures)
    else:
        write_image(target, _with_labels(classes, structures))


def _with_labels(classes: sitk.Image, structures: Sequence[Structure]) -> sitk.Image:
    lookup = np.array([0, *(structure.label for structure in structures)], dtype=np.uint8)
    image = sitk.GetImageFromArray(lookup[sitk.GetArrayViewFromImage(classes)])
    image.CopyInformation(classes)
    return image


def _without_header(image: sitk.Image) -> sitk.Image:
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image
