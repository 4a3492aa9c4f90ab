"""Annotations of more structures than a study has, such as fifteen organs of which two are learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .annotations import read_annotation, write_segmentation
from .errors import UserError
from .images import read_image
from .model import MAX_LABEL, Structure, name_key
from .segments import is_segmentation, read_segments

_NO_COLOR = (128, 128, 128)


def other_structures(path: Path, structures: Sequence[Structure]) -> tuple[Structure, ...]:
    """Return what an annotation holds and the study does not have: segments by name, label values of other formats.

    Raises:
        UserError: The file is missing or damaged.
    """
    if is_segmentation(path):
        known = {name_key(structure.name) for structure in structures}
        names = [segment.name for segment in read_segments(path) if name_key(segment.name) not in known]
        return tuple(Structure(name, number, _NO_COLOR) for number, name in enumerate(names, 1))
    labels = {0, *(structure.label for structure in structures)}
    values = np.unique(sitk.GetArrayFromImage(read_image(path)))
    whole = {round(value) for value in values.tolist() if 0 <= value <= MAX_LABEL}
    return tuple(Structure(f"label {value}", value, _NO_COLOR) for value in sorted(whole - labels))


def write_without(
    others: Sequence[Structure], path: Path, structures: Sequence[Structure], image: Path, target: Path
) -> None:
    """Write an annotation with the structures of the study only; what the others cover becomes background.

    Args:
        others: Structures to leave out, as `other_structures` returns them.
        path: Path of the annotation, which stays as it is.
        structures: Structures of the study.
        image: Path of the annotated image.
        target: Path of the new .seg.nrrd file.

    Raises:
        UserError: The annotation cannot be read or written, or has none of the structures.
    """
    class_map = read_annotation(path, (*structures, *others), read_image(image))
    classes = sitk.GetArrayFromImage(class_map)
    classes[classes > len(structures)] = 0
    if not classes.any():
        names = ", ".join(structure.name for structure in structures)
        raise UserError(
            f"The annotation {path.name} has none of the structures of the study.",
            f"The structures are: {names}. Choose other annotations, or add the images without.",
        )
    result = sitk.GetImageFromArray(classes)
    result.CopyInformation(class_map)
    write_segmentation(target, result, structures)
