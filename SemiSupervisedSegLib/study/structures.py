"""Changes to the structures of a study that never shift a label and never make an annotation unreadable.

Annotations are found by the names and label values of structures, and class index i of every model is structure
number i. So structures are added at the end only, and keep their names and labels once a case is annotated.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable
from typing import Any

from .errors import UserError
from .model import MAX_LABEL, Structure, Study, name_key

_MAX_NAME = 100
# Distinct from each other and from grey images, also as thin outlines.
_COLORS = (
    (220, 60, 50),
    (70, 150, 230),
    (240, 180, 40),
    (90, 190, 90),
    (170, 100, 210),
    (60, 200, 200),
    (230, 120, 170),
    (150, 150, 60),
)


def default_color(index: int) -> tuple[int, int, int]:
    """Return the colour (red, green, blue from 0 to 255) of structure `index`, counted from 0; repeats after eight."""
    return _COLORS[index % len(_COLORS)]


def add_structure(
    structures: tuple[Structure, ...],
    name: str,
    color: tuple[int, int, int] | None = None,
    terminology: str | None = None,
) -> tuple[Structure, ...]:
    """Add a structure at the end with a label value above all others.

    Raises UserError for a name that is empty, too long or taken, and when there is no label value left.
    """
    label = 1 + max((structure.label for structure in structures), default=0)
    if label > MAX_LABEL:
        raise UserError(f"There is no label value up to {MAX_LABEL} left.", "Make a study with fewer structures.")
    name = _checked_name(structures, name)
    return (*structures, Structure(name, label, color or default_color(len(structures)), terminology))


def add_structures(structures: tuple[Structure, ...], additions: Iterable[Structure]) -> tuple[Structure, ...]:
    """Add structures whose names are new, with their colours; they keep their label values in an empty study only.

    Raises UserError as `add_structure`.
    """
    if not structures:
        added: tuple[Structure, ...] = ()
        for other in additions:
            added = (*added, dataclasses.replace(other, name=_checked_name(added, other.name)))
        return added
    existing = {name_key(structure.name) for structure in structures}
    for other in additions:
        if name_key(other.name) not in existing:
            structures = add_structure(structures, other.name, other.color, other.terminology)
    return structures


def rename_structure(structures: tuple[Structure, ...], label: int, name: str) -> tuple[Structure, ...]:
    """Give the structure with this label another name; raises UserError as `add_structure`."""
    remaining = tuple(structure for structure in structures if structure.label != label)
    return _replace(structures, label, name=_checked_name(remaining, name))


def recolor_structure(
    structures: tuple[Structure, ...], label: int, color: tuple[int, int, int]
) -> tuple[Structure, ...]:
    """Give the structure with this label another colour (red, green, blue from 0 to 255)."""
    return _replace(structures, label, color=color)


def set_terminology(structures: tuple[Structure, ...], label: int, terminology: str | None) -> tuple[Structure, ...]:
    """Give the structure with this label an entry of 3D Slicer's terminologies, or none."""
    return _replace(structures, label, terminology=terminology)


def remove_structure(structures: tuple[Structure, ...], label: int) -> tuple[Structure, ...]:
    """Remove the structure with this label; the remaining ones keep their labels."""
    return tuple(structure for structure in structures if structure.label != label)


def replace_structures(study: Study, structures: tuple[Structure, ...]) -> Study:
    """Return the study with other structures, as the functions of this file give them; it is not saved.

    An annotated case does not know a new structure: it becomes annotated for the old ones only. Raises UserError when
    a structure of a study with annotations would lose its name, label or place.
    """
    previous = [(structure.name, structure.label) for structure in structures[: len(study.structures)]]
    if previous != [(structure.name, structure.label) for structure in study.structures]:
        check_structures_unused(study)
        return dataclasses.replace(study, structures=structures)
    if len(structures) == len(study.structures):
        return dataclasses.replace(study, structures=structures)
    names = tuple(structure.name for structure in study.structures)
    cases = tuple(
        dataclasses.replace(case, structures=names) if case.annotation and case.structures is None else case
        for case in study.cases
    )
    return dataclasses.replace(study, structures=structures, cases=cases)


def check_structures_unused(study: Study) -> None:
    """Raise UserError when annotations are found by the names of the structures, which then have to stay."""
    used = [case.id for case in study.cases if case.annotation or case.structures is not None]
    if used:
        raise UserError(
            f"{used[0]} is annotated already, and annotations are found by the names of the structures.",
            "Keep the structures as they are and add others, or make a new study.",
        )


def _replace(structures: tuple[Structure, ...], label: int, **changes: Any) -> tuple[Structure, ...]:
    return tuple(
        dataclasses.replace(structure, **changes) if structure.label == label else structure for structure in structures
    )


def _checked_name(existing: tuple[Structure, ...], name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise UserError("This name cannot be used.", f"Write one to {_MAX_NAME} letters.")
    if any(name_key(other.name) == name_key(name) for other in existing):
        raise UserError(f"There is a structure {name!r} already.", "Choose another name.")
    return name
