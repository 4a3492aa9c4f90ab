"""Small studies on disk for tests of the panel."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import CaseSummary, write_summary
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

STRUCTURES = (Structure("liver", 1, (220, 60, 50)), Structure("tumor", 2, (70, 150, 230)))
HOME, AWAY = "Home", "Away"


def write_volume(path: Path, seed: int = 0) -> Path:
    """A volume of 8 x 9 x 6 voxels on an oblique grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 100, (6, 9, 8)).astype("int16")
    sitk.WriteImage(_on_grid(values), str(path))
    return path


def write_annotation(path: Path, structures: tuple[Structure, ...] = STRUCTURES) -> Path:
    """An annotation of the volume of `write_volume`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    classes = np.zeros((6, 9, 8), np.uint8)
    classes[1:4, 2:5, 2:5] = 1
    classes[1:3, 6:8, 5:7] = 2
    write_segmentation(path, _on_grid(classes), structures)
    return path


def make_study(folder: Path, cases: int = 4, annotated: int = 2) -> Study:
    """A study with real files: the first cases are annotated, every other one is from another site."""
    study = create_study(folder, "Livers", Modality.MR, HOME, STRUCTURES)
    made = []
    for number in range(cases):
        case_id = f"case{number:02d}"
        write_volume(folder / "images" / f"{case_id}.nrrd", number)
        annotation = None
        if number < annotated:
            annotation = f"annotations/{case_id}.seg.nrrd"
            write_annotation(folder / annotation)
        role = Role.LABELED if annotation else Role.UNLABELED
        made.append(Case(case_id, f"images/{case_id}.nrrd", AWAY if number % 2 else HOME, role, annotation))
    study = dataclasses.replace(study, cases=tuple(made))
    save_study(study)
    return study


def make_long_study(folder: Path, cases: int = 1000) -> Study:
    """A study of many cases without files."""
    study = create_study(folder, "Many", Modality.CT, HOME, STRUCTURES)
    sites = (HOME, AWAY, "Third")
    made = tuple(
        Case(f"patient{number:04d}", f"images/{number}.nrrd", sites[number % 3], Role.UNLABELED)
        for number in range(cases)
    )
    study = dataclasses.replace(study, cases=made)
    save_study(study)
    return study


def make_round(study: Study, name: str = "001-cu2l", uncertainties: dict[str, float] | None = None) -> JobFolder:
    """A finished round that has segmented some cases, as far as the panel looks at it."""
    folder = JobFolder(study.folder / "rounds" / name)
    spec = JobSpec("train", "cu2l", "fast", {}, "cpu", 1, study.name, study.modality, study.structures, cases=())
    folder.write_spec(spec)
    for case_id, uncertainty in (uncertainties or {}).items():
        place = folder.predictions / case_id
        place.mkdir(parents=True)
        for kind in ("final", "prototype"):
            write_annotation(place / f"{kind}.seg.nrrd", study.structures)
        write_summary(place, CaseSummary(case_id, {}, {}, {}, uncertainty, disagreement=0.0))
    folder.write_result({"state": "finished"})
    return folder


def _on_grid(values: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.7, 0.8, 5.0))
    image.SetOrigin((-11.0, 20.0, 7.5))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix())
    return image
