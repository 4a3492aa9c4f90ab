from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.model import Structure, Study
from SemiSupervisedSegLib.study.store import create_study

STRUCTURES = (Structure("chamber", 3, (255, 0, 0), "Tissue~SCT^85756007^Tissue"), Structure("wall", 7, (0, 128, 255)))


def with_case(study: Study, image: Path | str, **values: object) -> Study:
    """The study with one more case."""
    return add_cases(study, [new_case(study, image, **values)])


def write_series(folder: Path, image: sitk.Image, series: str = "1.2.3.4") -> None:
    """Write a volume as one DICOM file for each slice."""
    folder.mkdir(exist_ok=True)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z in range(image.GetDepth()):
        piece = sitk.JoinSeries([image[:, :, z]])
        piece.SetSpacing(image.GetSpacing())
        position = image.TransformIndexToPhysicalPoint((0, 0, z))
        tags = {
            "0008|0060": "MR",
            "0008|0018": f"{series}.{z}",
            "0020|000d": "1.2.3",
            "0020|000e": series,
            "0020|0013": str(z),
            "0020|0032": "\\".join(f"{part:.9f}" for part in position),
            "0020|0037": "\\".join(f"{part:.9f}" for part in direction.T[:2].ravel()),
        }
        for key, value in tags.items():
            piece.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{series}-{z}.dcm"))
        writer.Execute(piece)


@pytest.fixture
def structures() -> tuple[Structure, ...]:
    return STRUCTURES


@pytest.fixture
def make_image() -> Callable[..., sitk.Image]:
    """A volume on an oblique grid with random voxels, or with the given ones (Z, Y, X)."""

    def make(
        values: np.ndarray | None = None, size: tuple[int, int, int] = (10, 12, 5), dtype: str = "int16", seed: int = 0
    ):
        if values is None:
            values = np.random.default_rng(seed).integers(0, 100, size[::-1]).astype(dtype)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.7, 0.8, 5.0))
        image.SetOrigin((-11.0, 20.0, 7.5))
        image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix())
        return image

    return make


@pytest.fixture
def make_classes(make_image) -> Callable[..., sitk.Image]:
    """A class map with two structures, on the grid of `make_image`."""

    def make(size: tuple[int, int, int] = (10, 12, 5)) -> sitk.Image:
        classes = np.zeros(size[::-1], np.uint8)
        classes[:, 3:8, 2:6] = 1
        classes[:, 8:10, 2:6] = 2
        return make_image(classes)

    return make


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return create_study(tmp_path / "study", "Hearts", "MR", "here", STRUCTURES)


@pytest.fixture
def files(tmp_path: Path, make_image, make_classes) -> Path:
    """A folder with a.nrrd, b.nrrd and their annotations a.seg.nrrd, b.seg.nrrd."""
    folder = tmp_path / "files"
    folder.mkdir()
    for seed, name in enumerate("ab"):
        sitk.WriteImage(make_image(seed=seed), str(folder / f"{name}.nrrd"))
        write_segmentation(folder / f"{name}.seg.nrrd", make_classes(), STRUCTURES)
    return folder
