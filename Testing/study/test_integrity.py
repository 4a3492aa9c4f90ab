"""MetaImage files that ITK reads past their end without a word."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image

VOXELS = np.random.default_rng(0).integers(0, 1000, (3, 4, 5)).astype("<i2")
HEADER = "NDims = 3\nDimSize = 5 4 3\nElementSpacing = 2 2 2\nElementType = MET_SHORT\n"


def write(path: Path, fields: str, data: bytes = b"") -> Path:
    path.write_bytes((HEADER + fields).encode() + data)
    return path


@pytest.mark.parametrize("missing", [0, 30])
def test_compressed_data_whose_size_agrees_with_the_header(tmp_path, missing):
    packed = zlib.compress(VOXELS.tobytes())
    packed = packed[: len(packed) - missing]
    fields = f"CompressedData = True\nCompressedDataSize = {len(packed)}\nElementDataFile = LOCAL\n"
    path = write(tmp_path / "a.mha", fields, packed)
    if missing:
        with pytest.raises(UserError, match="cut short"):
            read_image(path)
    else:
        assert read_image(path).GetSize() == (5, 4, 3)


def test_bytes_to_skip_that_the_file_does_not_have(tmp_path):
    path = write(tmp_path / "a.mha", "HeaderSize = 20\nElementDataFile = LOCAL\n", VOXELS.tobytes())
    with pytest.raises(UserError, match="cut short"):
        read_image(path)


def test_a_list_that_ends_before_the_volume(tmp_path):
    for number, pixels in enumerate(VOXELS):
        (tmp_path / f"{number}.raw").write_bytes(pixels.tobytes())
    names = [f"{number}.raw" for number in range(3)]
    whole = write(tmp_path / "whole.mhd", "ElementDataFile = LIST\n" + "\n".join(names))
    assert read_image(whole).GetSize() == (5, 4, 3)
    short = write(tmp_path / "short.mhd", "ElementDataFile = LIST\n" + "\n".join(names[:2]))
    with pytest.raises(UserError, match="cut short"):
        read_image(short)
