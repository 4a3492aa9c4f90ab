"""A volume of 5 GB: more than 2^32 bytes, which a header and a sparse file stand for without the time and the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from SemiSupervisedSegLib.study import memory
from SemiSupervisedSegLib.study.cases import add_cases, cases_from_images
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import image_geometry, read_image
from SemiSupervisedSegLib.study.model import Modality, Structure
from SemiSupervisedSegLib.study.store import create_study

SIDES = (1600, 1600, 1000)
BYTES = 2 * 1600 * 1600 * 1000
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 1600 1600 1000\nencoding: raw\n"
    "endian: little\nspace directions: (0.3,0,0) (0,0.3,0) (0,0,0.5)\nspace origin: (0,0,0)\n\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 1600 1600 1000\nElementSpacing = 0.3 0.3 0.5\n"
    "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)


@pytest.fixture(params=[("large.nrrd", NRRD), ("large.mha", META)], ids=["nrrd", "mha"])
def large(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of 5.1 GB, of which the disk has only the header."""
    name, header = request.param
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(header.encode())
        file.truncate(len(header) + BYTES)
    return path


@pytest.fixture(autouse=True)
def computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with 8 GB, 4 of them free."""
    monkeypatch.setattr(memory, "main_memory", lambda: (4 * 10**9, 8 * 10**9))


def test_its_header_is_read_and_a_byte_too_few_is_noticed(large: Path) -> None:
    assert image_geometry(large).size == SIDES
    size = large.stat().st_size
    with large.open("r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(UserError, match=f"{large.name} .*it is damaged, cut short"):
        read_image(large)


def test_it_is_refused_in_words_where_the_memory_is_too_small_and_the_study_stays(large: Path, tmp_path: Path) -> None:
    study = create_study(tmp_path / "study", "Large", Modality.CT, "here", (Structure("bone", 1, (9, 9, 9)),))
    with pytest.raises(UserError, match=rf"{large.name} with 2,560,000,000 voxels needs 5\.1 GB .* 4\.0 GB free\."):
        add_cases(study, cases_from_images(study, [large], site="here", role="unlabeled"))
    assert study.cases == ()
