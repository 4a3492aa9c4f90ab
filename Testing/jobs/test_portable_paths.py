"""job.json of a study that is copied or moved, as it is written now and as older programs wrote it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

OUTSIDE = "/data/b.nrrd"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = create_study(tmp_path / "study", "hearts", Modality.MR, "here", [Structure("wall", 1, (255, 0, 0))])
    cases = (
        Case("a", "images/a.nrrd", "here", Role.LABELED, "annotations/a.seg.nrrd"),
        Case("b", OUTSIDE, "here", Role.UNLABELED),
    )
    made = replace(made, cases=cases)
    save_study(made)
    return made


def job(study: Study, **changes: object) -> JobSpec:
    """A round of the study with absolute paths, as jobs have them in memory."""
    inside = study.folder
    cases = (
        JobCase("a", f"{inside}/images/a.nrrd", "here", Role.LABELED, False, f"{inside}/annotations/a.seg.nrrd"),
        JobCase("b", OUTSIDE, "here", Role.UNLABELED, False),
    )
    spec = JobSpec("train", "cu2l", "quick", {}, "cpu", 0, "hearts", Modality.MR, (), cases)
    return replace(spec, warm_start=f"{inside}/rounds/001-cu2l/model", **changes)


def make_round(study: Study) -> JobFolder:
    return JobFolder(study.folder / "rounds" / "002-cu2l")


def write_old(folder: JobFolder, spec: JobSpec) -> None:
    folder.path.mkdir(parents=True)
    folder.spec_file.write_text(spec.to_json(), encoding="utf-8")


def assert_reads_from(folder: JobFolder, study: Path) -> None:
    spec = folder.spec()
    assert [case.image for case in spec.cases] == [f"{study}/images/a.nrrd", OUTSIDE]
    assert spec.cases[0].annotation == f"{study}/annotations/a.seg.nrrd"
    assert spec.warm_start == f"{study}/rounds/001-cu2l/model"


def test_a_job_says_nothing_of_where_its_study_is(study: Study, tmp_path: Path) -> None:
    folder = make_round(study)
    folder.write_spec(job(study))
    assert str(tmp_path) not in folder.spec_file.read_text(encoding="utf-8")
    assert folder.spec() == job(study)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("change", [shutil.copytree, shutil.move])
def test_a_copied_or_moved_study_reads_its_own_files(study: Study, tmp_path: Path, old: bool, change) -> None:
    folder = make_round(study)
    (write_old if old else JobFolder.write_spec)(folder, job(study))
    change(study.folder, tmp_path / "new place" / "study 2")
    place = tmp_path / "new place" / "study 2"
    assert_reads_from(JobFolder(place / "rounds" / "002-cu2l"), place)


def test_an_old_job_from_windows_is_found_in_its_new_place(study: Study, tmp_path: Path) -> None:
    folder = make_round(study)
    windows = "D:\\studies\\hearts"
    spec = job(study)
    case = replace(spec.cases[0], image=f"{windows}\\images\\a.nrrd", annotation=f"{windows}\\annotations\\a.seg.nrrd")
    write_old(folder, replace(spec, cases=(case, spec.cases[1]), warm_start=f"{windows}\\rounds\\001-cu2l\\model"))
    assert_reads_from(folder, study.folder)


def test_the_model_of_a_round_is_found_where_all_images_lie_elsewhere(study: Study, tmp_path: Path) -> None:
    folder = make_round(study)
    write_old(folder, replace(job(study), cases=(), warm_start="/gone/rounds/001-cu2l/model"))
    assert folder.spec().warm_start == "/gone/rounds/001-cu2l/model"
    (study.folder / "rounds" / "001-cu2l" / "model").mkdir(parents=True)
    assert folder.spec().warm_start == f"{study.folder}/rounds/001-cu2l/model"


def test_a_job_outside_of_a_study_keeps_the_paths_of_its_images(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "results")
    image = str(tmp_path / "new.nrrd")
    spec = JobSpec(
        "predict", "", "", {}, "cpu", 0, "new", None, (), (JobCase("new", image, "", Role.UNLABELED, external=False),)
    )
    folder.write_spec(spec)
    assert folder.spec() == spec


def test_files_near_the_study_are_found_when_all_is_moved_together(study: Study, tmp_path: Path) -> None:
    near = tmp_path / "scans" / "b.nrrd"
    near.parent.mkdir()
    near.touch()
    spec = job(study)
    folder = make_round(study)
    folder.write_spec(replace(spec, cases=(spec.cases[0], replace(spec.cases[1], image=str(near)))))
    assert str(tmp_path) not in folder.spec_file.read_text(encoding="utf-8")
    (tmp_path / "all").mkdir()
    for place in (study.folder, near.parent):
        shutil.move(place, tmp_path / "all" / place.name)
    moved = JobFolder(tmp_path / "all" / study.folder.name / "rounds" / "002-cu2l")
    assert moved.spec().cases[1].image == f"{tmp_path}/all/scans/b.nrrd"
