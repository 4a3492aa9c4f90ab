"""What comes back is taken in only where a round has it."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.remote.arrivals import Arrivals
from SemiSupervisedSegLib.jobs.remote.pseudonyms import Pseudonyms
from SemiSupervisedSegLib.study.errors import UserError

CASE = "case-0123456789ab-00001"


@pytest.fixture
def arrivals(tmp_path) -> Arrivals:
    folder = JobFolder(tmp_path / "round")
    folder.path.mkdir()
    return Arrivals(folder, Pseudonyms("0123456789ab", {CASE: "Smith"}))


def expected_of(files: dict[str, bytes]) -> dict[str, list]:
    return {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}


def archive_of(files: dict[str, bytes]) -> tarfile.TarFile:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    target.seek(0)
    return tarfile.open(fileobj=target)


def test_results_get_their_names_and_the_rest_of_a_cut_attempt_is_fetched(arrivals, tmp_path):
    files = {
        "result.json": f'{{"case": "{CASE}"}}'.encode(),
        "metrics.csv": f"{CASE},0.5\r\n".encode(),
        f"predictions/{CASE}/summary.json": f'{{"case": "{CASE}"}}'.encode(),
        f"predictions/{CASE}/final.seg.nrrd": b"voxels",
    }
    expected = expected_of(files)
    first = dict(list(files.items())[:2])
    arrivals.receive(archive_of(first), expected)
    assert arrivals.missing(expected) == list(files)[2:]
    assert not (tmp_path / "round" / "result.json").exists()
    arrivals.receive(archive_of({name: files[name] for name in arrivals.missing(expected)}), expected)
    assert arrivals.missing(expected) == []
    arrivals.put_in_place(expected)
    home = tmp_path / "round"
    assert (home / "metrics.csv").read_bytes() == b"Smith,0.5\r\n"
    assert (home / "predictions" / "Smith" / "summary.json").read_text() == '{"case": "Smith"}'
    assert (home / "predictions" / "Smith" / "final.seg.nrrd").read_bytes() == b"voxels"
    assert sorted(path.name for path in home.iterdir()) == ["metrics.csv", "predictions", "result.json"]


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/absolute",
        "job.json",
        "predictions/case-0123456789ab-00002/final.seg.nrrd",
        f"predictions/{CASE}/../../../x",
        f"predictions/{CASE}/other.exe",
        "predictions/..\\..\\x/final.seg.nrrd",
        "remote.json",
        "model/../../x",
        "predictions",
        "",
    ],
)
def test_files_that_no_round_has_are_refused(arrivals, name):
    with pytest.raises(UserError):
        arrivals.missing({name: [0, ""]})
    with pytest.raises(UserError):
        arrivals.write_preview(name, base64.b64encode(b"x").decode())


def test_files_that_were_not_asked_for_are_refused(arrivals, tmp_path):
    with pytest.raises(UserError, match="no round has"):
        arrivals.receive(archive_of({"plan.json": b"{}"}), expected_of({"result.json": b"{}"}))
    assert not (tmp_path / "round" / "plan.json").exists()


def test_a_preview_belongs_to_its_case(arrivals, tmp_path):
    arrivals.write_preview(f"previews/{CASE}/final.seg.nrrd", base64.b64encode(b"voxels").decode())
    assert (tmp_path / "round" / "previews" / "Smith" / "final.seg.nrrd").read_bytes() == b"voxels"
    with pytest.raises(UserError):
        arrivals.write_preview(f"predictions/{CASE}/final.seg.nrrd", "")
