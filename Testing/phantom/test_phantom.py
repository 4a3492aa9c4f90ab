from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.phantom import generate_study, phantom_volume
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.checks import check_study
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import same_grid
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study

TINY = (32, 32, 6)


def arrays(**arguments) -> tuple[np.ndarray, np.ndarray]:
    image, classes = phantom_volume(**arguments)
    return sitk.GetArrayFromImage(image).astype(float), sitk.GetArrayFromImage(classes)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return generate_study(
        tmp_path_factory.mktemp("phantom") / "s", labeled=2, unlabeled=2, external=4, validation=1, size=TINY
    )


def test_study_is_complete_and_good(study):
    assert load_study(study.folder) == study
    assert check_study(study) == []
    assert [len(study.cases_of(role)) for role in (Role.LABELED, Role.VALIDATION, Role.UNLABELED)] == [2, 1, 6]
    assert {case.site for case in study.cases if study.is_external(case)} == {"external-1", "external-2"}
    for case in study.cases_of(Role.LABELED):
        image = read_image(study.image_path(case))
        classes = sitk.GetArrayFromImage(read_annotation(study.annotation_path(case), study.structures, image))
        assert image.GetPixelID() == sitk.sitkInt16
        assert set(np.unique(classes)) == {0, 1, 2}


def test_validation_cases_of_other_sites_come_last_and_change_nothing(study, tmp_path):
    more = generate_study(
        tmp_path / "s", labeled=2, unlabeled=2, external=4, validation=1, size=TINY, external_validation=3
    )
    assert more.cases[: len(study.cases)] == study.cases
    added = more.cases[len(study.cases) :]
    assert [(case.role, case.site) for case in added] == [
        (Role.VALIDATION, site) for site in ("external-1", "external-2", "external-1")
    ]
    assert check_study(more) == []
    with pytest.raises(UserError):
        generate_study(tmp_path / "t", sites=1, labeled=1, external=0, external_validation=1, size=TINY)


def test_same_seed_same_bytes(study, tmp_path):
    again = generate_study(tmp_path / "s", labeled=2, unlabeled=2, external=4, validation=1, size=TINY)
    for case in study.cases:
        assert study.image_path(case).read_bytes() == again.image_path(case).read_bytes()
    other = generate_study(tmp_path / "t", labeled=1, unlabeled=0, external=0, validation=0, size=TINY, seed=1)
    assert study.image_path(study.cases[0]).read_bytes() != other.image_path(other.cases[0]).read_bytes()


def test_cases_differ_in_shape_and_place(study):
    maps = [sitk.GetArrayFromImage(sitk.ReadImage(str(study.annotation_path(c)))) for c in study.cases[:3]]
    assert len({(labels == 1).sum() for labels in maps}) == 3
    overlap = (maps[0] == 1) & (maps[1] == 1)
    assert overlap.sum() < 0.8 * (maps[0] == 1).sum()


@pytest.mark.parametrize("structures", range(1, 9))
@pytest.mark.parametrize("size", [(64, 64, 8), (32, 32, 32)])
def test_every_structure_is_there(structures, size):
    for seed in range(4):
        _, classes = arrays(size=size, structures=structures, seed=seed)
        assert (np.bincount(classes.ravel(), minlength=structures + 1) > 0).all()


def test_look_alikes_share_the_intensity_of_the_target():
    """Thresholding finds the target, but as much that is none; only context tells them apart."""
    shares = []
    for seed in range(10):
        values, classes = arrays(difficulty=0.0, oblique=False, seed=seed)
        target = classes == 1
        low = np.quantile(values[target], 0.1)
        shares.append((~target[values >= low]).mean())
    assert np.mean(shares) > 0.25


def test_wall_encloses_the_chamber():
    values, classes = arrays(size=(64, 64, 8), oblique=False)
    chamber, others = classes == 1, classes == 0
    grown = sitk.GetArrayFromImage(sitk.BinaryDilate(sitk.GetImageFromArray(chamber.astype(np.uint8)), (1, 1, 0))) > 0
    ring = grown & ~chamber
    assert (ring & others).sum() < 0.1 * ring.sum()
    assert values[classes == 1].mean() > values[classes == 2].mean()


def test_sites_differ():
    images = [phantom_volume(size=(64, 64, 8), site=site)[0] for site in range(3)]
    assert len({tuple(np.round(sorted(image.GetSpacing()), 3)) for image in images}) == 3
    # The second site stores its slices along the first axis.
    assert images[1].GetSize()[0] == min(images[1].GetSize())
    for image in images:
        direction = np.array(image.GetDirection()).reshape(3, 3)
        np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
        assert np.abs(direction).max() < 0.9999


def test_axial_geometry():
    image, classes = phantom_volume(size=TINY, oblique=False, site=1)
    assert image.GetDirection() == tuple(np.eye(3).ravel())
    assert same_grid(image, classes)


def test_orientation_does_not_change_the_anatomy():
    """Permuted and flipped axes are undone by looking at the volume in patient axes."""
    oblique, _ = phantom_volume(size=TINY, site=1)
    axial, _ = phantom_volume(size=TINY, site=1, oblique=False)
    turned = sitk.GetArrayFromImage(sitk.DICOMOrient(oblique, "LPS"))
    np.testing.assert_array_equal(turned, sitk.GetArrayFromImage(axial))


def test_difficulty_lowers_the_contrast_to_noise():
    def separation(difficulty: float) -> float:
        found = []
        for seed in range(8):
            values, classes = arrays(difficulty=difficulty, oblique=False, seed=seed)
            chamber, wall = values[classes == 1], values[classes == 2]
            found.append((chamber.mean() - wall.mean()) / np.hypot(chamber.std(), wall.std()))
        return float(np.mean(found))

    easy, middle, hard = (separation(difficulty) for difficulty in (0.0, 0.5, 1.0))
    assert easy > 1.5 * middle > 1.5 * hard


def test_ct_has_hounsfield_units():
    values, classes = arrays(modality="CT", oblique=False, difficulty=0.2)
    assert -1024 <= values.min() < -900
    assert -100 < np.median(values[classes == 1]) < 600


@pytest.mark.parametrize("size", [(32, 32, 1), (32, 24, 16), (16, 16, 16)])
def test_other_sizes(size):
    image, classes = phantom_volume(size=size, oblique=False)
    assert image.GetSize() == size
    assert sitk.GetArrayFromImage(classes).any()


@pytest.mark.parametrize("bad", [{"structures": 0}, {"structures": 9}, {"difficulty": 1.5}, {"size": (0, 3, 3)}])
def test_values_out_of_range(bad, tmp_path):
    with pytest.raises(UserError):
        phantom_volume(**bad)
    with pytest.raises(UserError):
        generate_study(tmp_path / "s", **bad)
    assert not (tmp_path / "s").exists()


def test_external_cases_need_a_second_site(tmp_path):
    with pytest.raises(UserError, match="second site"):
        generate_study(tmp_path, sites=1, external=1)


def test_the_default_study_is_that_of_the_demo(tmp_path):
    assert len(generate_study(tmp_path / "s").cases) == 34
