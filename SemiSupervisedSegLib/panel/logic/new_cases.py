"""Images that the user selects become cases: collected, named, checked one by one, and added all or none."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...study.cases import add_cases, new_case, stored_path
from ...study.dicom import holds_dicom
from ...study.dicom_names import series_names
from ...study.duplicates import ImageDigests
from ...study.errors import UserError
from ...study.image_files import is_image_name
from ...study.model import Case, Role, Study, name_key
from ...study.names import default_id, file_stem, free_id, name_for, titles_of
from ...study.segments import is_segmentation

_SEGMENTATION = ".seg.nrrd"


@dataclass(frozen=True)
class ImageNames:
    """Names of a new image: the id of its case and the name to show, each empty for that of the file."""

    id: str = ""
    title: str = ""


def find_images(folder: Path | str, study: Study) -> Iterator[list[Path]]:
    """Find images in a folder and its subfolders, and yield those found so far after each of them.

    The DICOM files of a folder are one image, also beside images of other formats. Segmentations and the study's own
    annotations, cache and rounds are left out.
    """
    places = study.layout
    skipped = {place.absolute() for place in (places.annotations, places.cache, places.rounds)}
    collected: list[Path] = []
    for current, folders, names in os.walk(Path(folder).absolute()):
        place = Path(current)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (place / name).absolute() not in skipped
        )
        named = (place / name for name in sorted(names) if is_image_name(name))
        images = [image for image in named if not is_segmentation(image)]
        collected.extend(images)
        if holds_dicom(place):
            collected.append(place)
        yield collected


def make_cases(
    study: Study,
    images: Iterable[Path],
    site: str,
    annotations: Mapping[Path, Path] | None = None,
    names: Mapping[Path, ImageNames] | None = None,
) -> Iterator[Case]:
    """Return cases with new ids for those images that the study does not have yet.

    A case with an annotation is labeled, any other is unlabeled. A segmentation of 3D Slicer beside an image and named
    like it, such as liver1.seg.nrrd beside liver1.nrrd, is its annotation.

    Args:
        study: Study that the cases are for; it is not changed.
        images: Files, or folders of DICOM series.
        site: Name of the site that the images come from.
        annotations: Annotations by image, which come before those beside the images.
        names: Names by image, which come before those of the files and of the headers of DICOM images.
    """
    taken, titles = {case.id.casefold() for case in study.cases}, titles_of(study)
    existing = {case.image for case in study.cases}
    for image in images:
        stored = stored_path(study, image)
        if stored in existing:
            continue
        existing.add(stored)
        given = (names or {}).get(image, ImageNames())
        case_id = free_id(taken, given.id or default_id(image))
        taken.add(case_id.casefold())
        annotation = (annotations or {}).get(image) or _annotation_beside(image)
        role = Role.UNLABELED if annotation is None else Role.LABELED
        name = name_for(titles, case_id, given.title or _name_of(image, titles))
        case = new_case(study, image, site=site, role=role, annotation=annotation, case_id=case_id, name=name)
        titles.add(name_key(case.title))
        yield case


def check_new_cases(study: Study, cases: Sequence[Case]) -> Iterator[int]:
    """Read the files of new cases one after the other, and give how many are done.

    Raises UserError, naming the case, for files that are missing, damaged, do not fit or are those of another case.
    """
    digests = ImageDigests(study.layout)
    for number, case in enumerate(cases, 1):
        study = add_cases(study, [case], digests)
        yield number
    digests.save()


def with_new_cases(study: Study, cases: Sequence[Case]) -> Study:
    """Return the study with checked cases, unsaved; raises UserError when one of them was added meanwhile."""
    existing = {case.image for case in study.cases}
    twice = [case.id for case in cases if case.image in existing]
    if twice:
        raise UserError(f"The image of {twice[0]} was added to the study meanwhile.", "Add the others again.")
    return dataclasses.replace(study, cases=study.cases + tuple(cases))


def free_file(folder: Path, stem: str, suffix: str) -> Path:
    """Return a file that does not exist yet, such as liver1.seg.nrrd or liver1-2.seg.nrrd."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


def _name_of(image: Path, titles: Container[str]) -> str:
    header = series_names(image)
    if header is None or not header.title:
        return file_stem(image)
    # Series of one patient and number differ by their date.
    is_new = name_key(header.title) not in titles
    return header.title if is_new or not header.date else f"{header.title}, {header.date}"


def _annotation_beside(image: Path) -> Path | None:
    beside = image.with_name(file_stem(image) + _SEGMENTATION)
    return beside if beside.is_file() and not image.is_dir() else None
