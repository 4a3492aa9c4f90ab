"""Images among files: by their names and headers, without segmentations, label maps and slices of their own."""

from __future__ import annotations

import glob
import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .dicom import holds_dicom, is_dicom_file, series_of_slices
from .errors import UserError
from .images import read_file, read_header
from .model import Structure
from .segments import is_segmentation

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".hdr")
_EIGHT_BITS = (sitk.sitkUInt8, sitk.sitkInt8)
_NAMES_OF_LABELS = ("label", "seg", "mask")


def is_image_name(name: str) -> bool:
    """Return whether a file has the name of an image, and not of a segmentation or a hidden file."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_segmentation(name) and not name.startswith(".")


def is_label_map(image: sitk.Image, structures: Sequence[Structure]) -> bool:
    """Return whether an image (X, Y, Z) has no values but 0 and label values of the structures."""
    values = sitk.GetArrayViewFromImage(image)
    largest = max(structure.label for structure in structures)
    # The largest value decides for most images, without reading the remaining ones.
    if values.min() != 0 or not 0 < values.max() <= largest:
        return False
    labels = [structure.label for structure in structures]
    return bool(np.isin(values, [0, *labels]).all())


def images_among(paths: Iterable[Path], structures: Sequence[Structure]) -> tuple[list[Path], list[Path]]:
    """Return the images among files and folders, and what was left out.

    Slices of one DICOM series are one image, their folder. Left out are segmentations and label maps, other files, and
    folders without DICOM files.
    """
    paths = list(paths)
    series = series_of_slices(path for path in paths if is_dicom_file(path))
    images: dict[Path, None] = {}
    left_out = []
    for path in paths:
        image: Path | None = None
        if path.is_dir():
            image = path if holds_dicom(path) else None
        elif path in series:
            image = series[path]
        elif is_image_name(path.name) and not has_labels(path, structures):
            image = path
        if image is None:
            left_out.append(path)
        else:
            images[image] = None
    return list(images), left_out


def with_whole_series(paths: Iterable[Path]) -> list[Path]:
    """Return files and folders with the folder of a DICOM series in the place of its slices."""
    paths = list(paths)
    series = series_of_slices(path for path in paths if is_dicom_file(path))
    return list(dict.fromkeys(series.get(path, path) for path in paths))


def images_in(paths: Iterable[Path]) -> list[Path]:
    """Return files and folders with the folder of a DICOM series in the place of its slices.

    A folder without slices stands for the images in it, and for the DICOM series in the folders in it.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() and not holds_dicom(path) else []
        images = [item for item in inside if (holds_dicom(item) if item.is_dir() else is_image_name(item.name))]
        # One that holds none is told apart by whoever reads it.
        found += images or [path]
    return with_whole_series(found)


def matching_paths(pattern: str) -> list[Path]:
    """Return what matches a pattern such as images/*.nrrd, sorted by path; raises UserError when nothing does."""
    for spelling in dict.fromkeys(_spellings(pattern)):
        matches = sorted(glob.glob(spelling, recursive=True))
        if matches:
            return [Path(path) for path in matches]
    raise UserError(f"No image matches {pattern}.", "Check the folder and put the pattern into quotes.")


def _spellings(pattern: str) -> Iterable[str]:
    # Accented letters are one or two characters, depending on the system that made the file.
    forms = (pattern, unicodedata.normalize("NFC", pattern), unicodedata.normalize("NFD", pattern))
    # Windows writes folders with backslashes, and brackets may be part of a name.
    for form, slash, bracket in itertools.product(forms, ("\\", "/"), ("[", "[[]")):
        yield form.replace("\\", slash).replace("[", bracket)


def has_labels(path: Path, structures: Sequence[Structure]) -> bool:
    """Return whether an image file is a segmentation, or a label map of the structures by its type or name."""
    try:
        if is_segmentation(path):
            return True
        header = read_header(path)
        is_candidate = header.GetPixelID() in _EIGHT_BITS or any(part in path.name.lower() for part in _NAMES_OF_LABELS)
        return is_candidate and header.GetNumberOfComponents() == 1 and is_label_map(read_file(path), structures)
    except UserError:
        # Its errors are reported when it is read as an image.
        return False
