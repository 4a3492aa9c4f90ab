from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role, Study

from .acdc_study import SITES, make_study, simulate_annotation, simulate_site
from .derived_studies import derive_study
from .draws import drawn
from .protocol_model import Data, Phantom
from .rows import collect
from .single_trainings import single_table
from .studies import make_studies
from .sweep_cells import RECORD, Sweep, cells, read_record, write_record
from .synthetic_sweep import finish, synthetic_protocol, synthetic_scores, synthetic_study, synthetic_sweep

PATIENTS = ["d", "b", "e", "a", "c"]


def ids(study: Study, role: Role) -> list[str]:
    return [case.id for case in study.cases_of(role)]


def test_draw_0_is_the_list_and_others_are_shuffled_by_their_number() -> None:
    assert drawn(PATIENTS, 0) == PATIENTS
    for draw in (1, 2):
        order = np.random.default_rng(draw).permutation(5)
        assert drawn(PATIENTS, draw) == [PATIENTS[place] for place in order]
    assert drawn(PATIENTS, 1) != drawn(PATIENTS, 2)


def test_draws_of_a_phantom_label_other_cases_and_test_the_same(tmp_path: Path) -> None:
    phantom = Phantom(unlabeled=3, external=1, validation=2, size=(16, 16, 4))
    data = Data("phantom", phantom=phantom)
    protocol = synthetic_protocol(data=data, labeled=(2,), draws=(0, 1), published=None)
    studies = make_studies(protocol, None, tmp_path)
    assert list(studies) == ["labeled-2", "labeled-2-draw-1"]
    first, second = studies.values()
    available = [f"case-{number:03d}" for number in (1, 2, 3, 4, 5)]
    assert ids(first, Role.LABELED) == available[:2]
    assert ids(second, Role.LABELED) == sorted(drawn(available, 1)[:2])
    assert ids(first, Role.LABELED) != ids(second, Role.LABELED)
    assert first.cases_of(Role.VALIDATION) == second.cases_of(Role.VALIDATION)
    for study in (first, second):
        assert len(study.cases_of(Role.UNLABELED)) == 4
        assert all(case.annotation is None for case in study.cases_of(Role.UNLABELED))


def test_there_is_no_other_draw_of_all_labeled_cases(tmp_path: Path) -> None:
    source = synthetic_study(tmp_path / "source", 3)
    assert len(derive_study(source, tmp_path / "first", 3, "all").cases_of(Role.LABELED)) == 3
    with pytest.raises(UserError, match=r"There is no draw 1 of 3 labeled cases, because .* has no others\."):
        derive_study(source, tmp_path / "second", 3, "all", draw=1)


def write_acdc(folder: Path, patients: list[str], copies: dict[str, str]) -> None:
    """A set of the same files as ACDC, one volume of noise a patient; some are copies of others."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number, patient in enumerate([*patients, "test"]):
        image = sitk.GetImageFromArray(np.random.default_rng(number).integers(0, 99, (2, 6, 6), np.int16))
        sitk.WriteImage(image, str(folder / "images" / f"{patient}_1.nrrd"))
        sitk.WriteImage(sitk.Cast(image > 50, sitk.sitkUInt8), str(folder / "labels" / f"{patient}_1.nrrd"))
    for copy, original in copies.items():
        (folder / "images" / f"{copy}_1.nrrd").write_bytes((folder / "images" / f"{original}_1.nrrd").read_bytes())
    train = [f"{patient}_1" for patient in sorted(patients)]
    splits = {"train_patients": patients, "train": train, "development": {"val": ["test_1"]}}
    (folder / "splits.json").write_text(json.dumps(splits))


def test_a_draw_of_acdc_labels_the_first_of_the_shuffled_patients(tmp_path: Path) -> None:
    write_acdc(tmp_path / "data", PATIENTS, {})
    assert ids(make_study(tmp_path / "data", tmp_path / "published", 2, False), Role.LABELED) == ["b_1", "d_1"]
    order = drawn(PATIENTS, 1)
    study = make_study(tmp_path / "data", tmp_path / "drawn", 2, draw=1)
    assert ids(study, Role.LABELED) == sorted(f"{patient}_1" for patient in order[:2])
    assert ids(study, Role.VALIDATION) == ["test_1"]
    # Every second unlabeled patient, in the order of the draw, is of another site.
    assert {case.id for case in study.cases if study.is_external(case)} == {f"{order[3]}_1"}
    assert len(study.cases_of(Role.UNLABELED)) == 3


def test_half_of_the_patients_of_simulated_sites_are_tested_in_pairs(tmp_path: Path) -> None:
    patients = [f"p{number}" for number in range(12)]
    write_acdc(tmp_path / "data", patients, {"p8": "p1"})
    study = make_study(tmp_path / "data", tmp_path / "study", 1, test_sites=True)
    # Every second unlabeled patient is of another site: two of them train, two are tested, one trains. p8 is a copy.
    assert {case.id: case.site for case in study.cases if study.is_external(case)} == {
        "p2_1": "external-bright",
        "p4_1": "external-dark",
        "p6_1": "external-bright",
        "p10_1": "external-bright",
    }
    assert ids(study, Role.VALIDATION) == ["p6_1", "test_1"]
    for case in study.cases:
        assert (case.annotation is not None) == (case.id in {"p0_1", "p6_1", "test_1"})
        image = read_image(study.image_path(case))
        if case.annotation is not None:
            assert read_annotation(study.annotation_path(case), study.structures, image).GetSize() == image.GetSize()


def test_annotations_of_simulated_sites_lie_where_the_image_does() -> None:
    classes = np.zeros((2, 12, 12), np.uint8)
    classes[:, 4:8, 6:10] = 3
    annotation = sitk.GetImageFromArray(classes)
    annotation.SetSpacing((1.4, 1.4, 8.0))
    annotation.SetOrigin((5.0, -7.0, 2.0))
    for exponent, coarsening in SITES.values():
        moved = simulate_site(sitk.Cast(annotation, sitk.sitkInt16) * 100, exponent, coarsening)
        resampled = simulate_annotation(annotation, moved)
        assert resampled.GetSpacing() == moved.GetSpacing() == (1.4 * coarsening, 1.4 * coarsening, 8.0)
        assert set(np.unique(sitk.GetArrayFromImage(resampled))) == {0, 3}
        centres = [centre(image) for image in (annotation, resampled)]
        assert centres[0] == pytest.approx(centres[1], abs=0.5 * 1.4)
    # At half the resolution the borders of the structure are borders of voxels.
    expected = np.zeros((2, 6, 6))
    expected[:, 2:4, 3:5] = 3
    assert np.array_equal(sitk.GetArrayFromImage(resampled), expected)


def centre(image: sitk.Image) -> list[float]:
    places = np.argwhere(sitk.GetArrayFromImage(image) > 0).mean(axis=0)
    return list(image.TransformContinuousIndexToPhysicalPoint(places[::-1].tolist()))


def test_an_unlabeled_copy_of_a_labeled_image_is_left_out_wherever_it_stands(tmp_path: Path) -> None:
    order = drawn(PATIENTS, 2)
    labeled, other = max(order[:2]), min(order[2:])
    assert other < labeled, "the copy comes first in the list of cases"
    write_acdc(tmp_path / "data", PATIENTS, {other: labeled})
    study = make_study(tmp_path / "data", tmp_path / "study", 2, False, draw=2)
    assert f"{labeled}_1" in ids(study, Role.LABELED)
    assert f"{other}_1" not in [case.id for case in study.cases]


def test_a_sweep_that_was_begun_before_there_were_draws_goes_on(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path, unfinished=1)
    record = json.loads((tmp_path / RECORD).read_text())
    del record["protocol"]["draws"]
    for row in record["protocol"]["methods"]:
        del row["loop"]
    (tmp_path / RECORD).write_text(json.dumps(record))
    assert read_record(tmp_path).protocol.draws == (0,)

    sweep = Sweep(synthetic_protocol(draws=(0, 1)))
    write_record(tmp_path, sweep)
    other = synthetic_study(tmp_path / "labeled-7-draw-1", 7)
    for number, cell in enumerate(cell for cell in cells(sweep.protocol) if cell.draw and cell.row.method == "ua_mt"):
        finish(other, sweep, cell, synthetic_scores(other, 20 + number), [])
    rows = collect(tmp_path).rows
    runs = {row.title: [(run.draw, run.seed) for run in row.runs] for row in rows}
    assert runs["UA-MT"] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert runs["Supervised"] == [(0, 0), (0, 1)]
    assert {row.wanted for row in rows} == {4}
    table = single_table(collect(tmp_path))
    assert [line[:3] for line in table[1:]] == [["7", draw, seed] for draw in "01" for seed in "01"]
    assert table[-1][3] == "", "Supervised has not been trained on the other draw"
