from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.model import Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

STRUCTURES = (Structure("left chamber", 5, (255, 0, 0)), Structure("wall", 2, (0, 128, 255)))


def make_classes() -> sitk.Image:
    classes = np.zeros((4, 10, 12), np.uint8)
    classes[1:3, 2:5, 2:6] = 1
    classes[1:3, 5:8, 2:6] = 2
    image = sitk.GetImageFromArray(classes)
    image.SetSpacing((0.7, 0.8, 5.0))
    image.SetOrigin((-11.0, 20.0, 7.5))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix())
    return image


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Cases a (labeled), b (validation), c (unlabeled) and d (ignored) of the local site, e (unlabeled) of another."""
    files = tmp_path / "files"
    files.mkdir()
    classes = make_classes()
    for seed, name in enumerate("abcde"):
        noise = np.random.default_rng(seed).integers(0, 100, (4, 10, 12)).astype(np.int16)
        image = sitk.GetImageFromArray(noise)
        image.CopyInformation(classes)
        sitk.WriteImage(image, str(files / f"{name}.nrrd"))
    write_segmentation(files / "annotation.seg.nrrd", classes, STRUCTURES)
    study = create_study(tmp_path / "study", "Hearts", "MR", "here", STRUCTURES)
    roles = {"a": "labeled", "b": "validation", "c": "unlabeled", "d": "ignored", "e": "unlabeled"}
    cases = [
        new_case(
            study,
            files / f"{name}.nrrd",
            site="there" if name == "e" else "here",
            role=role,
            annotation=files / "annotation.seg.nrrd" if name in "ab" else None,
            case_id=None,
        )
        for name, role in roles.items()
    ]
    study = add_cases(study, cases)
    save_study(study)
    return study
