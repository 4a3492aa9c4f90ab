from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SemiSupervisedSegLib.study import memory
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.geometry import Geometry, same_grid
from SemiSupervisedSegLib.study.images import image_geometry, read_image, write_image

# The file to write, whether compressed, and the file that holds the voxels.
FORMATS = [
    ("a.nrrd", False, "a.nrrd"),
    ("a.nrrd", True, "a.nrrd"),
    ("a.nhdr", False, "a.raw"),
    ("a.nhdr", True, "a.raw.gz"),
    ("a.nii", False, "a.nii"),
    ("a.nii.gz", True, "a.nii.gz"),
    ("a.hdr", False, "a.img"),
    ("a.mha", False, "a.mha"),
    ("a.mha", True, "a.mha"),
    ("a.mhd", False, "a.raw"),
    ("a.mhd", True, "a.zraw"),
]
IDS = [f"{name}-{'compressed' if compressed else 'raw'}" for name, compressed, _ in FORMATS]


@pytest.mark.parametrize(("name", "compressed", "_voxels"), FORMATS, ids=IDS)
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_formats_and_types(tmp_path, make_image, name, compressed, _voxels, dtype):
    image = make_image(dtype=dtype)
    sitk.WriteImage(image, str(tmp_path / name), compressed)
    read = read_image(tmp_path / name)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    assert same_grid(read, image)
    assert same_grid(image_geometry(tmp_path / name), image)


@pytest.mark.parametrize(("name", "compressed", "voxels"), FORMATS, ids=IDS)
def test_every_truncation_is_found(tmp_path, make_image, name, compressed, voxels):
    sitk.WriteImage(make_image(), str(tmp_path / name), compressed)
    raw = (tmp_path / voxels).read_bytes()
    for kept in {len(raw) - 1, len(raw) - 4, len(raw) - 8, len(raw) - 9, len(raw) - 100, len(raw) // 2, 360, 10, 1, 0}:
        (tmp_path / voxels).write_bytes(raw[:kept])
        with pytest.raises(UserError, match="damaged, cut short"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz"])
def test_damage_in_the_middle_of_a_compressed_file_is_found(tmp_path, make_image, name):
    path = tmp_path / name
    sitk.WriteImage(make_image(), str(path), True)
    raw = bytearray(path.read_bytes())
    raw[len(raw) * 2 // 3] ^= 0x55
    path.write_bytes(raw)
    with pytest.raises(UserError, match="damaged"):
        read_image(path)


def test_block_wise_compressed_nifti(tmp_path, make_image):
    sitk.WriteImage(make_image(), str(tmp_path / "a.nii"))
    raw = (tmp_path / "a.nii").read_bytes()
    parts = [gzip.compress(raw[:500]), gzip.compress(raw[500:900]), gzip.compress(raw[900:])]
    (tmp_path / "b.nii.gz").write_bytes(b"".join(parts))
    assert same_grid(read_image(tmp_path / "b.nii.gz"), make_image())
    (tmp_path / "b.nii.gz").write_bytes(b"".join(parts[:2]))
    with pytest.raises(UserError, match="damaged"):
        read_image(tmp_path / "b.nii.gz")


HUGE = {
    "a.nrrd": "NRRD0004\ntype: short\ndimension: 3\nsizes: {n} {n} {n}\nencoding: raw\nendian: little\n\n",
    "b.nrrd": "NRRD0004\ntype: short\ndimension: 3\nsizes: {n} {n} {n}\nencoding: gzip\nendian: little\n\n",
    "skip.nrrd": "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: gzip\nbyte skip: {n}0000\n\n",
    "c.nrrd": "NRRD0004\ntype: short\ndimension: 3\nsizes: {n} {n} {n}\nencoding: text\n\n1 2 3\n",
    "d.nhdr": "NRRD0004\ntype: short\ndimension: 3\nsizes: {n} {n} {n}\nencoding: raw\ndata file: /dev/zero\n\n",
    "e.mha": "NDims = 3\nDimSize = {n} {n} {n}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
    "f.mhd": "NDims = 3\nDimSize = {n} {n} {n}\nElementType = MET_SHORT\nElementDataFile = /dev/zero\n",
    "g.mha": "NDims = 3\nCompressedData = True\nDimSize = {n} {n} {n}\nElementType = MET_SHORT\n"
    "ElementDataFile = LOCAL\n",
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("side", [2000, 1_000_000])
def test_a_small_file_that_claims_to_be_huge_gets_no_memory(tmp_path, monkeypatch, name, side):
    def fail(reader):
        raise AssertionError("the voxels were asked for")

    monkeypatch.setattr(sitk.ImageFileReader, "Execute", fail)
    path = tmp_path / name
    path.write_bytes(HUGE[name].format(n=side).encode() + gzip.compress(bytes(100)))
    with pytest.raises(UserError, match=r"damaged|of memory"):
        read_image(path)


@pytest.mark.parametrize("dimensions", ["1000000", "-1", "x", ""])
def test_a_meta_image_of_many_dimensions_is_refused(tmp_path, dimensions):
    path = tmp_path / "a.mha"
    path.write_text(f"NDims = {dimensions}\nDimSize = 2 2 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n")
    with pytest.raises(UserError, match="damaged"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file system with pipes")
def test_a_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "a.nrrd")
    with pytest.raises(UserError, match="no file"):
        read_image(tmp_path / "a.nrrd")


def test_a_compressed_file_is_expanded_to_what_its_header_needs_and_no_further(tmp_path, make_image):
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(make_image(), str(path))
    expected = read_image(path)
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(200_000_000), compresslevel=1))
    tracemalloc.start()
    image = read_image(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(expected))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(np.float32, -np.finfo(np.float32).max), (np.float32, 1e20), (np.float64, 1e39), (np.float64, 1.7e308)],
)
def test_values_that_are_no_intensity_are_refused(tmp_path, dtype, value):
    array = np.ones((2, 3, 4), dtype=dtype)
    array[0, 0, 0] = value
    sitk.WriteImage(sitk.GetImageFromArray(array), tmp_path / "a.nrrd")
    with pytest.raises(UserError, match=r"a\.nrrd has voxels with the value .* no intensity"):
        read_image(tmp_path / "a.nrrd")


def test_an_image_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    sitk.WriteImage(sitk.Image((100, 100, 30), sitk.sitkFloat32), tmp_path / "a.nrrd", useCompression=True)
    monkeypatch.setattr(memory, "main_memory", lambda: (10**6, 10**9))
    with pytest.raises(UserError, match=r"a\.nrrd with 300,000 voxels needs 0\.0 GB"):
        read_image(tmp_path / "a.nrrd")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_not_finite(tmp_path, make_image, value, dtype):
    values = np.zeros((3, 4, 5), dtype)
    values[1, 2, 3] = value
    sitk.WriteImage(make_image(values), str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError, match=r"a\.nrrd has voxels that are not a number or infinite"):
        read_image(tmp_path / "a.nrrd")


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"There is no file a\.nrrd"):
        read_image(tmp_path / "a.nrrd")


def test_text_is_no_image(tmp_path):
    (tmp_path / "a.nrrd").write_text("hello")
    with pytest.raises(UserError, match="not an image"):
        read_image(tmp_path / "a.nrrd")


@pytest.mark.parametrize("read", [read_image, image_geometry])
def test_only_scalar_volumes(tmp_path, make_image, read):
    volume = make_image()
    kinds = {
        "2 dimensions": volume[:, :, 0],
        "4 dimensions": sitk.JoinSeries([volume, volume]),
        "several values per voxel": sitk.Compose([volume, volume, volume]),
    }
    for message, image in kinds.items():
        sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
        with pytest.raises(UserError, match=message):
            read(tmp_path / "a.nrrd")


def test_one_slice_can_be_read(tmp_path, make_image):
    sitk.WriteImage(make_image(size=(10, 12, 1)), str(tmp_path / "a.nrrd"))
    assert read_image(tmp_path / "a.nrrd").GetSize() == (10, 12, 1)


def test_sheared_axes_are_refused(tmp_path, make_image):
    path = tmp_path / "a.nrrd"
    image = make_image()
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes().replace(b"(0,0,5)", b"(0,2,5)"))
    with pytest.raises(UserError, match="right angles"):
        read_image(path)


def test_same_grid(make_image):
    image = make_image()
    assert same_grid(image, Geometry.of(image))
    for setter, value in (("Origin", (-11.0, 20.0, 7.6)), ("Spacing", (0.7, 0.8, 5.2)), ("Direction", sitk_identity())):
        other = make_image()
        getattr(other, f"Set{setter}")(value)
        assert not same_grid(image, other), setter
    assert not same_grid(image, image[:, :, :-1])
    # Rounding to single precision is the same grid.
    near = make_image()
    near.SetOrigin([float(np.float32(part + 1e-5)) for part in image.GetOrigin()])
    assert same_grid(image, near)


def test_thickness_of_a_single_slice_is_part_of_the_grid(make_image):
    one, other = make_image(size=(4, 4, 1)), make_image(size=(4, 4, 1))
    other.SetSpacing((0.7, 0.8, 3.0))
    assert not same_grid(one, other)


def sitk_identity() -> tuple[float, ...]:
    return tuple(np.eye(3).ravel())


def test_index_is_the_inverse_of_position(make_image):
    geometry = Geometry.of(make_image())
    np.testing.assert_allclose(geometry.position((1, 2, 3)), make_image().TransformIndexToPhysicalPoint((1, 2, 3)))
    np.testing.assert_allclose(geometry.index(geometry.position((1, 2, 3))), (1, 2, 3))


def test_write_image_without_space(tmp_path, make_image, largest_file):
    path = tmp_path / "a.nrrd"
    write_image(path, make_image())
    before = path.read_bytes()
    values = np.random.default_rng(0).integers(0, 30000, (20, 64, 64)).astype(np.int16)
    with largest_file(20_000), pytest.raises(UserError, match="no space left"):
        write_image(path, make_image(values))
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.nrrd"]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.nrrd", "a.nii", "a.nii.gz", "a.mha"]),
    start=st.integers(0, 400),
    length=st.integers(0, 20),
    replacement=st.binary(max_size=8) | st.sampled_from([b"9", b"-1", b"nan", b"\n\n"]),
)
def test_any_damage_is_read_or_is_a_user_error(fuzzed, make_image, name, start, length, replacement):
    path = fuzzed / name
    sitk.WriteImage(make_image(), str(path))
    raw = path.read_bytes()
    path.write_bytes(raw[:start] + replacement + raw[start + length :])
    for read in (read_image, image_geometry):
        with contextlib.suppress(UserError):
            read(path)


@pytest.mark.parametrize(("header", "data"), [("a.nhdr", "a.raw"), ("a.mhd", "a.raw")])
def test_a_header_without_its_data_file_names_it(tmp_path, make_image, header, data):
    sitk.WriteImage(make_image(), str(tmp_path / header))
    (tmp_path / data).unlink()
    with pytest.raises(UserError, match=rf"{header} is the header of {data}, which is not beside it"):
        read_image(tmp_path / header)
