"""Label maps among the images that a user adds: annotations in other formats than that of 3D Slicer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...study.errors import UserError
from ...study.geometry import Geometry, same_grid
from ...study.images import read_header, read_image
from ...study.model import MAX_LABEL
from ...study.names import file_stem

# Images have more grey values than a study has structures.
_MOST_VALUES = 32
_INTEGERS = {
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkUInt64,
    sitk.sitkInt64,
}


def find_label_maps(images: Sequence[Path]) -> Iterator[dict[Path, Path]]:
    """Find the files that are label maps of other files, and yield the matches so far after each, by label map.

    A label map has whole numbers, few of them, on the grid of an image whose name is in its own, such as
    liver1_mask.nrrd beside liver1.nrrd, or liver1.nrrd in another folder. Only files with such names are read.
    """
    stems = {image: file_stem(image).casefold() for image in images if not image.is_dir()}
    matches: dict[Path, Path] = {}
    for candidate, name in stems.items():
        candidates = [
            image for image, stem in stems.items() if image != candidate and stem in name and image not in matches
        ]
        # The longest name that is in its own: liver10_mask belongs to liver10 and not to liver1.
        candidates.sort(key=lambda image: len(stems[image]), reverse=True)
        image = next((image for image in candidates if _fits(candidate, image)), None)
        if image is not None and _is_label_map(candidate):
            matches[candidate] = image
        yield matches


def _is_label_map(path: Path) -> bool:
    try:
        if read_header(path).GetPixelID() not in _INTEGERS:
            return False
        # A view would outlive the image that it shows.
        values = np.unique(sitk.GetArrayFromImage(read_image(path)))
    except UserError:
        # Reading it as an image says what is wrong with it.
        return False
    return len(values) <= _MOST_VALUES and values[0] >= 0 and values[-1] <= MAX_LABEL


def _fits(label_map: Path, image: Path) -> bool:
    try:
        return same_grid(Geometry.of(read_header(label_map)), Geometry.of(read_header(image)))
    except UserError:
        return False
