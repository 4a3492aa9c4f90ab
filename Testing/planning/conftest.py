from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.study.model import Role, Structure

from .ellipsoids import ellipsoid


@pytest.fixture
def structures() -> tuple[Structure, ...]:
    return (Structure("ventricle", 3, (255, 0, 0)), Structure("muscle", 7, (0, 255, 0)))


@pytest.fixture
def make_case(tmp_path: Path) -> Callable[..., JobCase]:
    """Write one case to disk: an ellipsoid of two structures in noise."""

    def make(
        case_id: str,
        shape: tuple[int, int, int] = (6, 40, 48),
        spacing: tuple[float, float, float] = (1.0, 1.0, 8.0),
        role: Role = Role.LABELED,
        dtype: type = np.int16,
        direction: np.ndarray | None = None,
        labels: tuple[int, ...] = (3, 7),
    ) -> JobCase:
        classes = ellipsoid(shape, len(labels))
        generator = np.random.default_rng(len(case_id) + sum(map(ord, case_id)))
        voxels = (20 + 60 * classes + generator.normal(0, 4, shape)).clip(0, 250).astype(dtype)
        image = sitk.GetImageFromArray(voxels)
        annotation = sitk.GetImageFromArray(np.array([0, *labels], dtype=np.uint8)[classes])
        for item in (image, annotation):
            item.SetSpacing(spacing)
            item.SetOrigin((11.0, -7.0, 3.0))
            if direction is not None:
                item.SetDirection(direction.ravel())
        image_path, annotation_path = tmp_path / f"{case_id}.nrrd", tmp_path / f"{case_id}-labels.nrrd"
        sitk.WriteImage(image, image_path)
        annotated = role.needs_annotation
        if annotated:
            sitk.WriteImage(annotation, annotation_path)
        return JobCase(case_id, str(image_path), "here", role, False, str(annotation_path) if annotated else None)

    return make
