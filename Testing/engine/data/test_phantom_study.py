from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.engine.data.randomness import torch_generator_at
from SemiSupervisedSegLib.engine.data.rotations import rotate_and_flip
from SemiSupervisedSegLib.engine.data.streams import CaseStream
from SemiSupervisedSegLib.jobs.spec import JobCase
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.planning.cache import prepare_cache
from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.make_plan import make_plan
from SemiSupervisedSegLib.planning.preprocess import probabilities_to_image_grid
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Modality, Role, Study


def ignore(done: int, total: int) -> None:
    pass


def cases_of(study: Study) -> list[JobCase]:
    return [
        JobCase(
            case.id,
            str(study.image_path(case)),
            case.site,
            case.role,
            study.is_external(case),
            None if case.annotation is None else str(study.annotation_path(case)),
        )
        for case in study.cases
    ]


@pytest.mark.parametrize(
    ("modality", "structures", "size", "spacing", "dimensions"),
    [
        (Modality.MR, 8, (64, 56, 12), None, 2),
        (Modality.CT, 1, (40, 40, 32), (1.0, 1.0, 1.5), 3),
    ],
)
def test_study_of_several_sites_becomes_batches(tmp_path: Path, modality, structures, size, spacing, dimensions):
    numbers = {"sites": 3, "labeled": 2, "unlabeled": 2, "external": 4, "validation": 1, "structures": structures}
    study = generate_study(tmp_path / "study", size=size, spacing=spacing, modality=modality, **numbers)
    cases = cases_of(study)
    seen = fingerprint(cases, study.structures, ignore)
    plan = make_plan(seen, modality, study.num_classes, {"dimension": f"{dimensions}d", "in_plane_scale": 0.8})
    cached = prepare_cache(cases, plan, tmp_path / "cache", study.structures, ignore)

    for case, made in zip(cases, cached, strict=True):
        image = read_image(Path(case.image))
        arrays = made.load()
        assert np.isfinite(arrays.image).all() and abs(arrays.image.mean()) < 5
        if made.has_labels:
            truth = sitk.GetArrayFromImage(read_annotation(Path(case.annotation), study.structures, image))
            one_hot = np.stack([(arrays.labels == label).astype(np.float32) for label in range(study.num_classes)])
            back = probabilities_to_image_grid(one_hot, plan, image).argmax(axis=0)
            assert 2 * np.sum((back > 0) & (truth > 0)) / (np.sum(back > 0) + np.sum(truth > 0)) > 0.93

    labeled = [made for made in cached if made.role is Role.LABELED]
    external = [made for made in cached if made.external]
    assert len(labeled) == 2 and len(external) == 4
    for group in (labeled, external):
        stream = CaseStream(group, plan, 0, "stream", 2**28, "cpu", foreground_share=0.5)
        images, labels = stream.draw(0, 3)
        images, labels = rotate_and_flip(images, labels, torch_generator_at(0, "stream", 0))
        stream.close()
        assert images.shape == (3, 1, *plan.patch) and images.isfinite().all()
        assert (labels is None) == (group is external)
    study_classes = {int(value) for made in labeled for value in np.unique(made.load().labels)}
    assert study_classes == set(range(structures + 1))
