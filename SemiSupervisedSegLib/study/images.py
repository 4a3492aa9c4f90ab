"""Images as SimpleITK volumes: read, checked, compared and written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .dicom import dicom_grid, is_dicom_file, read_dicom
from .errors import UserError
from .files import atomic_path, write_error
from .geometry import Geometry
from .integrity import check_complete, check_header, damaged
from .memory import check_memory
from .nifti import as_itk_reads
from .paths import check_is_text
from .spacing import check_spacing_is_given

_ORTHOGONAL = 1e-3
# In what ITK says of NIfTI files with such axes.
_NOT_ORTHONORMAL = "orthonormal"
# Programs mark missing data by 1e20 or the largest number of float32, which would decide the contrast of an image.
_LARGEST_VALUE = 1e20
_SCALARS = (
    *(sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkUInt32, sitk.sitkUInt64, sitk.sitkFloat32),
    *(sitk.sitkInt8, sitk.sitkInt16, sitk.sitkInt32, sitk.sitkInt64, sitk.sitkFloat64),
)


def read_image(path: Path | str) -> sitk.Image:
    """Read a scalar volume from an NRRD, NIfTI or MetaImage file or a folder with one DICOM series.

    Raises UserError when it is missing, damaged, cut short, not a 3D scalar image, or has NaN, infinite or absurdly
    large voxels.
    """
    path = Path(path)
    image = _read(path)
    _check_kind(path, image)
    check_spacing_is_given(path)
    _check_geometry(path, Geometry.of(image))
    _check_values(path, sitk.GetArrayViewFromImage(image))
    # Lists and vectors of a single value are volumes as well.
    return image if image.GetPixelID() in _SCALARS else sitk.VectorIndexSelectionCast(image)


def image_geometry(path: Path | str) -> Geometry:
    """Return the grid of an image from its headers; raises UserError when they cannot be read as a 3D scalar image."""
    path = Path(path)
    _check_exists(path)
    if path.is_dir() or is_dicom_file(path):
        geometry = Geometry(*dicom_grid(path))
    else:
        header = read_header(path)
        _check_kind(path, header)
        check_spacing_is_given(path)
        geometry = Geometry.of(header)
    _check_geometry(path, geometry)
    return geometry


def read_header(path: Path) -> sitk.ImageFileReader:
    """Return a reader with the header of an image file and its metadata; raises UserError if unreadable."""
    _check_exists(path)
    check_header(path)
    with as_itk_reads(path, header_only=True) as readable:
        return _reader(path, readable)


def metadata_of(header: sitk.ImageFileReader | sitk.Image) -> dict[str, str]:
    """Return the metadata of a header; damaged keys, which SimpleITK lists but cannot look up, are left out."""
    return {key: header.GetMetaData(key) for key in header.GetMetaDataKeys() if key.isascii()}


def read_file(path: Path) -> sitk.Image:
    """Read any image file as it is; raises UserError when it is missing, damaged or cut short."""
    reader = read_header(path)
    voxels, size = _voxels_and_bytes(path, reader)
    check_complete(path, voxels, size)
    check_memory(f"{path.name} with {voxels:,} voxels", size, "Close other programs, or crop or resample the image.")
    with as_itk_reads(path) as readable:
        try:
            return _reader(path, readable).Execute()
        except (RuntimeError, MemoryError) as error:
            raise damaged(path) from error


def _reader(path: Path, readable: Path) -> sitk.ImageFileReader:
    """Return a reader that knows the header of an image file, or of the copy of it that ITK can open."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(readable))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise (_not_at_right_angles(path) if _NOT_ORTHONORMAL in str(error) else damaged(path)) from error
    return reader


def _voxels_and_bytes(path: Path, reader: sitk.ImageFileReader) -> tuple[int, int]:
    """Return the number of values that a file's header promises, and their bytes."""
    values = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    try:
        return values, values * sitk.Image((1, 1), reader.GetPixelID()).GetSizeOfPixelComponent()
    except RuntimeError as error:
        raise damaged(path) from error


def write_image(path: Path | str, image: sitk.Image) -> None:
    """Write an image as compressed NRRD, completely or not at all; raises UserError when the disk is full."""
    path = Path(path)
    check_is_text(path)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as error:
            raise _write_failure(path, temporary) from error


def _write_failure(path: Path, temporary: Path) -> UserError:
    # ITK does not say why it could not write; the same small write says it in the words of the system.
    try:
        with temporary.open("ab") as file:
            file.write(bytes(1 << 16))
    except OSError as error:
        return write_error(path, error)
    return UserError(f"{path.name} could not be written in {path.parent}.", "Check the free space and try again.")


def _check_values(path: Path, values: np.ndarray) -> None:
    if values.dtype.kind != "f":
        return
    if not np.isfinite(values).all():
        raise UserError(f"{path.name} has voxels that are not a number or infinite.", "Repair or leave out this image.")
    for extreme in (values.min(), values.max()):
        if abs(extreme) >= _LARGEST_VALUE:
            raise UserError(
                f"{path.name} has voxels with the value {extreme:.3g}, which is no intensity.",
                "Replace values that mark missing data by 0, or leave out this image.",
            )


def _check_exists(path: Path) -> None:
    check_is_text(path)
    try:
        # Devices and pipes can be opened, and never end.
        exists = path.is_file() or path.is_dir()
    except OSError:  # a name that is too long
        exists = False
    if not exists:
        raise UserError(f"There is no file {path.name} in {path.parent}.", "Put it back or correct its path.")


def _read(path: Path) -> sitk.Image:
    _check_exists(path)
    return read_dicom(path) if path.is_dir() or is_dicom_file(path) else read_file(path)


def _check_kind(path: Path, image: sitk.Image | sitk.ImageFileReader) -> None:
    if image.GetDimension() != 3:
        raise UserError(
            f"{path.name} has {image.GetDimension()} dimensions, a volume with 3 is needed.",
            "Export one 3D volume; a single picture can be a volume of one slice.",
        )
    if isinstance(image, sitk.Image):
        components = image.GetNumberOfComponentsPerPixel()
    else:
        components = image.GetNumberOfComponents()
    if components != 1 or image.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise UserError(
            f"{path.name} has several values per voxel, such as a colour image.", "Export one grey value per voxel."
        )


def _check_geometry(path: Path, geometry: Geometry) -> None:
    axes = np.array(geometry.direction).reshape(3, 3)
    numbers = np.array([*geometry.spacing, *geometry.origin, *geometry.direction])
    if not np.isfinite(numbers).all() or min(geometry.spacing) <= 0 or min(geometry.size) < 1:
        raise UserError(f"{path.name} has no valid voxel spacing or position.", "Export it again with its geometry.")
    if not np.allclose(axes.T @ axes, np.eye(3), atol=_ORTHOGONAL):
        raise _not_at_right_angles(path)


def _not_at_right_angles(path: Path) -> UserError:
    return UserError(
        f"The axes of {path.name} are not at right angles, as after a tilted gantry or a registration.",
        "Resample it to a regular grid first, for example with Resample Image in 3D Slicer.",
    )
