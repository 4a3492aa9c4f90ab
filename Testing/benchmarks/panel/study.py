"""A study for the benchmark of the panel: large images with four structures, and a round that segmented them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.results import PREDICTION_FILES, CaseSummary, write_summary
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

STRUCTURES = (
    Structure("liver", 1, (220, 60, 50)),
    Structure("spleen", 2, (70, 150, 230)),
    Structure("left kidney", 3, (90, 190, 80)),
    Structure("right kidney", 4, (240, 200, 40)),
)
# Centre and half axes of the ellipsoids, as shares of the sides (z, y, x).
_PLACES = (
    ((0.5, 0.45, 0.3), (0.35, 0.2, 0.17)),
    ((0.5, 0.5, 0.72), (0.2, 0.12, 0.1)),
    ((0.4, 0.75, 0.65), (0.2, 0.08, 0.08)),
    ((0.4, 0.75, 0.35), (0.2, 0.08, 0.08)),
)


def make_large_study(folder: Path, size: tuple[int, int, int] = (512, 512, 200), cases: int = 5) -> Study:
    """Make a study whose first two cases are annotated, with one finished round over all of them.

    Args:
        folder: Folder of the study.
        size: Voxels (x, y, z) of every image.
        cases: Number of cases, at least 3.
    """
    study = create_study(folder, "Large", Modality.CT, "Home", STRUCTURES)
    made = []
    for number in range(cases):
        case_id = f"case-{number + 1}"
        classes = _classes(size[::-1], shift=0.02 * number)
        _write(folder / "images" / f"{case_id}.nii.gz", _image(classes, seed=number))
        annotation = f"annotations/{case_id}.seg.nrrd" if number < 2 else None
        if annotation is not None:
            (folder / "annotations").mkdir(exist_ok=True)
            write_segmentation(folder / annotation, _on_grid(classes), STRUCTURES)
        role = Role.LABELED if annotation else Role.UNLABELED
        made.append(Case(case_id, f"images/{case_id}.nii.gz", "Home", role, annotation))
        for place in ("predictions", "previews"):
            _write_predictions(folder / "rounds" / "001-supervised" / place / case_id, classes)
    study = dataclasses.replace(study, cases=tuple(made))
    save_study(study)
    spec = JobSpec("train", "supervised", "quick", {}, "cpu", 1, study.name, study.modality, STRUCTURES, cases=())
    round_folder = JobFolder(folder / "rounds" / "001-supervised")
    round_folder.write_spec(spec)
    round_folder.model.mkdir()
    round_folder.write_result({"state": "finished"})
    return study


def _write_predictions(place: Path, classes: np.ndarray) -> None:
    place.mkdir(parents=True)
    final, prototype = np.roll(classes, 3, axis=2), np.roll(classes, -3, axis=1)
    write_segmentation(place / PREDICTION_FILES["final"], _on_grid(final), STRUCTURES)
    write_segmentation(place / PREDICTION_FILES["prototype"], _on_grid(prototype), STRUCTURES)
    probability = ndimage.uniform_filter((final > 0).astype(np.float32), 5)
    _write(place / PREDICTION_FILES["probability"], _on_grid(probability))
    _write(place / PREDICTION_FILES["uncertainty"], _on_grid(4 * probability * (1 - probability)))
    _write(place / PREDICTION_FILES["disagreement"], _on_grid((final != prototype).astype(np.uint8)))
    volumes = {structure.name: 100.0 for structure in STRUCTURES}
    dice = {structure.name: 0.9 for structure in STRUCTURES}
    summary = CaseSummary(place.name, volumes, volumes, dice, mean_uncertainty=0.2, disagreement=0.1)
    write_summary(place, summary)


def _classes(shape: tuple[int, ...], shift: float) -> np.ndarray:
    grid = np.ix_(*(np.linspace(0, 1, count, dtype=np.float32) for count in shape))
    classes = np.zeros(shape, np.uint8)
    for label, (centre, axes) in enumerate(_PLACES, 1):
        middle = (*centre[:2], centre[2] + shift)
        z, y, x = (((place - start) / axis) ** 2 for place, start, axis in zip(grid, middle, axes, strict=True))
        classes[z + y + x < 1] = label
    return classes


def _image(classes: np.ndarray, seed: int) -> sitk.Image:
    values = np.array([-100, 60, 90, 120, 130], np.int16)[classes]
    noise = np.random.default_rng(seed).integers(-20, 20, classes.shape, np.int16)
    return _on_grid(values + noise)


def _on_grid(values: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((0.8, 0.8, 2.0))
    return image


def _write(path: Path, image: sitk.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
