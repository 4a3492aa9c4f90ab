"""What travels: voxels and geometry to the last bit, and no name."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.remote.connection import FAR_END
from SemiSupervisedSegLib.jobs.remote.far_end import MANIFEST
from SemiSupervisedSegLib.jobs.remote.parcel import write_parcel
from SemiSupervisedSegLib.jobs.remote.pseudonyms import Pseudonyms, in_html, in_json, new_token
from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.geometry import Geometry
from SemiSupervisedSegLib.study.images import read_image

from .private_study import leaks, new_private_round, private_study


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return new_private_round(private_study(tmp_path / "study"))


def parcel_of(job: JobFolder, names: Pseudonyms, present: dict[str, str] | None = None) -> dict[str, bytes]:
    target = io.BytesIO()
    write_parcel([job], names, present or {}, target, lambda done, total: None)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


def test_images_and_labels_arrive_to_the_last_bit_and_without_names(job, tmp_path):
    spec = job.spec()
    image_file = Path(spec.cases[0].image)
    image = read_image(image_file)
    image.SetMetaData("PatientName", "Smith_Ann")
    sitk.WriteImage(image, str(image_file))
    names = Pseudonyms.of(spec, new_token())
    there = tmp_path / "there"
    for name, content in parcel_of(job, names).items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    arrived = JobFolder(there / "rounds" / job.name).spec()
    assert len(arrived.cases) == len(spec.cases)
    for case, own in zip(arrived.cases, spec.cases, strict=True):
        image, other = read_image(case.image), read_image(own.image)
        assert Geometry.of(image) == Geometry.of(other)
        assert image.GetPixelID() == other.GetPixelID()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other))
        assert (case.annotation is None) == (own.annotation is None)
        if own.annotation is not None:
            pairs = ((case.annotation, image), (own.annotation, other))
            labels = [sitk.GetArrayFromImage(read_annotation(path, spec.structures, grid)) for path, grid in pairs]
            np.testing.assert_array_equal(*labels)
    assert leaks(there, type("Study", (), {"folder": tmp_path / "study"})) == []
    assert not list(job.path.glob(".tmp-*"))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_every_kind_of_voxel_travels(job, tmp_path, kind):
    case = job.spec().cases[2]
    image = sitk.GetImageFromArray((np.random.default_rng(0).normal(size=(3, 4, 5)) * 50).astype(kind))
    sitk.WriteImage(image, case.image)
    names = Pseudonyms.of(job.spec(), new_token())
    content = parcel_of(job, names)[f"images/{names.case(case.id)}.mha"]
    (tmp_path / "arrived.mha").write_bytes(content)
    arrived = read_image(tmp_path / "arrived.mha")
    assert arrived.GetPixelID() == image.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(arrived), sitk.GetArrayFromImage(image))


def test_what_is_there_is_not_sent_again(job):
    names = Pseudonyms.of(job.spec(), new_token())
    manifest = json.loads(parcel_of(job, names)[MANIFEST])
    changed = next(name for name in manifest if name.startswith("images/"))
    assert list(parcel_of(job, names, manifest)) == [MANIFEST]
    assert list(parcel_of(job, names, {**manifest, changed: ""})) == [changed, MANIFEST]


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../x"])
def test_nothing_is_received_outside_of_the_folder_of_a_job(tmp_path, name):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    command = [sys.executable, "-m", FAR_END, "receive", str(tmp_path / "there")]
    done = subprocess.run(command, input=target.getvalue(), capture_output=True, check=True)
    assert b"is no file of a job" in done.stdout
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_annotations_that_a_training_must_not_see_stay_here(job):
    spec = job.spec()
    names = Pseudonyms.of(spec, new_token())
    sent = {name for name in parcel_of(job, names) if name.startswith("annotations/")}
    assert sent == {f"annotations/{names.case(case.id)}.mha" for case in spec.cases if case.role.needs_annotation}


def test_pseudonyms_keep_the_order_and_are_replaced_wherever_they_stand(job):
    spec = job.spec()
    names = Pseudonyms.of(spec, new_token())
    ids = [case.id for case in spec.cases]
    assert sorted(ids, key=names.case) == sorted(ids)
    hidden = names.hide(spec)
    assert names.restore(f"Case {hidden.cases[1].id}: x", str) == f"Case {ids[1]}: x"
    assert names.restore(hidden.study_name, in_html) == "Müller &amp; Söhne"
    assert json.loads(names.restore(json.dumps(hidden.study_name), in_json)) == "Müller & Söhne"
    assert names.restore("case-001 of case-000000000000-00001", str) == "case-001 of case-000000000000-00001"
