"""Synthetic studies from several sites."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ..study.annotations import write_segmentation
from ..study.cases import new_case
from ..study.errors import UserError
from ..study.files import write_error
from ..study.images import write_image
from ..study.model import Case, Modality, Role, Structure, Study
from ..study.store import create_study, save_study
from ..study.structures import default_color
from .sites import SiteLook, draw_site
from .volume import Recipe, render_case


def generate_study(
    folder: Path | str,
    *,
    name: str = "Phantom",
    sites: int = 3,
    labeled: int = 4,
    unlabeled: int = 12,
    external: int = 12,
    validation: int = 6,
    structures: int = 2,
    size: tuple[int, int, int] = (64, 64, 8),
    spacing: tuple[float, float, float] | None = None,
    modality: Modality = Modality.MR,
    difficulty: float = 0.5,
    seed: int = 0,
    oblique: bool = True,
    external_validation: int = 0,
) -> Study:
    """Make a study folder with images and annotations; the same arguments give the same study, voxel by voxel.

    Labeled, unlabeled and validation cases are local; `external` unlabeled ones and `external_validation` ones are
    spread over `sites - 1` others. The size in voxels and the spacing in mm (x, y, z) are those of the local site.
    `difficulty` 0..1 lowers the contrast and raises noise, look-alikes and the differences between sites. Raises
    UserError for values out of range.
    """
    away = external + external_validation
    if min(labeled, unlabeled, external, validation, external_validation) < 0 or sites < 1 or (away and sites < 2):
        raise UserError("A phantom needs counts of at least 0, and a second site for external cases.")
    recipe = Recipe(size, spacing, structures, difficulty, Modality(modality))
    looks = [draw_site(index, difficulty=difficulty, seed=seed, oblique=oblique) for index in range(sites)]
    study = create_study(folder, name, recipe.modality, looks[0].name, phantom_structures(structures))
    _make_folders(study)
    plan = [(Role.LABELED, 0)] * labeled + [(Role.VALIDATION, 0)] * validation + [(Role.UNLABELED, 0)] * unlabeled
    for role, count in ((Role.UNLABELED, external), (Role.VALIDATION, external_validation)):
        plan += [(role, 1 + number % (sites - 1)) for number in range(count)]
    cases = []
    for number, (role, site) in enumerate(plan):
        rng = np.random.default_rng([seed, site, number])
        cases.append(_write_case(study, f"case-{number + 1:03d}", role, looks[site], recipe, rng))
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def phantom_structures(count: int) -> tuple[Structure, ...]:
    """Return the structures of a phantom: a chamber and its wall, then further pairs with a number."""
    names = [f"{part} {group}" if group > 1 else part for group in range(1, 5) for part in ("chamber", "wall")]
    return tuple(Structure(names[index], index + 1, default_color(index)) for index in range(count))


def _make_folders(study: Study) -> None:
    for place in (study.layout.images, study.layout.annotations):
        try:
            place.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(place, error) from error


def _write_case(
    study: Study, case_id: str, role: Role, look: SiteLook, recipe: Recipe, rng: np.random.Generator
) -> Case:
    image, class_map = render_case(rng, recipe, look)
    image_path = study.layout.images / f"{case_id}.nrrd"
    write_image(image_path, image)
    annotation = None
    if role.needs_annotation:
        annotation = study.layout.annotations / f"{case_id}.seg.nrrd"
        write_segmentation(annotation, class_map, study.structures)
    return new_case(study, image_path, site=look.name, role=role, annotation=annotation)
