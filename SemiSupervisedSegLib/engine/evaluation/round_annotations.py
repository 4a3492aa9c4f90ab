"""Annotations of a round's cases as class indices of its model, also after the study has gained structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...jobs.folder import JobFolder
from ...study.annotations import read_annotation
from ...study.layout import study_of_job
from ...study.model import MAX_LABEL, Structure
from ...study.store import load_study


def annotated_structures(folder: JobFolder, structures: Sequence[Structure]) -> tuple[Structure, ...]:
    """Return the structures that annotations may show by now: those of the model, and those that were added since.

    Args:
        folder: Folder of the round.
        structures: Structures of the model, whose label values the study may have changed since.

    Raises:
        UserError: The study cannot be read.
    """
    study = study_of_job(folder.path)
    if not (study.has_job(folder.path) and study.exists()):
        return tuple(structures)
    now = {structure.name: structure for structure in load_study(study.path).structures}
    taken = {structure.label for structure in now.values()}
    free = iter(label for label in range(1, MAX_LABEL + 1) if label not in taken)
    before = []
    for structure in structures:
        # A structure that the study no longer has must not claim the label value of another one.
        former = replace(structure, label=next(free)) if structure.label in taken else structure
        before.append(now.pop(structure.name, former))
    return (*before, *now.values())


def read_classes_of_model(
    path: Path | str, image: sitk.Image, structures: Sequence[Structure], annotated: Sequence[Structure]
) -> np.ndarray:
    """Read an annotation as class indices (z, y, x) of a model; structures that the model lacks are background.

    Args:
        path: File of the annotation.
        image: Image that it belongs to.
        structures: Structures of the model.
        annotated: Structures that the annotation may show, see `annotated_structures`.

    Raises:
        UserError: The annotation cannot be read or does not fit its image.
    """
    classes = sitk.GetArrayFromImage(read_annotation(path, annotated, image))
    classes[classes > len(structures)] = 0
    return classes
