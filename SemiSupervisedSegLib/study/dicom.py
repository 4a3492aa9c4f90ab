"""The images of DICOM files and folders: one series, complete, in order, on a regular grid, or refused with the reason.

GDCM decodes the pixels; which files and frames make up the volume is decided here, as it leaves out files that it
cannot read and stretches, straightens or stacks whatever remains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .dicom_frames import Frame, claims_to_be_dicom, frames_of, read_dicom_header
from .errors import UserError

# Of the distance between slices; scanners round positions, and a missing slice is off by a whole distance.
_UNEVEN = 0.05
# Of a pixel, over the whole series.
_SHIFTED = 0.2
_TURNED = 1e-3
_IN_SLICER = "Load it in 3D Slicer, save the volume as NRRD, and add that file."

GridValues = tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]
"""Size (X, Y, Z) in voxels, spacing and origin in mm, direction cosines row by row."""


def series_files(folder: Path) -> list[str]:
    """Return the files of the only series in `folder`, sorted by position; raises UserError as `read_dicom`."""
    return list(dict.fromkeys(str(frame.path) for frame in _ordered(folder)))


def dicom_grid(path: Path) -> GridValues:
    """Return the grid of a series or multi-frame file from its headers; raises UserError as `read_dicom`."""
    return _grid(_ordered(path))


def read_dicom(path: Path) -> sitk.Image:
    """Read the only series of a folder, or a DICOM file, as a volume.

    Raises:
        UserError: There is no series or more than one, a file is damaged, a slice is missing, repeated, or of another
            size, slices are shifted or turned against each other, or do not say where they lie.
    """
    frames = _ordered(path)
    _, spacing, origin, direction = _grid(frames)
    image = sitk.GetImageFromArray(_voxels(frames))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def is_dicom_file(path: Path) -> bool:
    """Return whether a file has the name or the mark of a DICOM file."""
    return path.is_file() and claims_to_be_dicom(path)


def holds_dicom(folder: Path) -> bool:
    """Return whether a folder has a DICOM file."""
    return any(not path.name.startswith(".") and is_dicom_file(path) for path in folder.iterdir())


def series_of_slices(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return the image that each DICOM file belongs to: the folder for a slice of a series, else the file itself."""
    images: dict[Path, Path] = {}
    series: dict[Path, dict[Path, str]] = {}
    for path in paths:
        folder = path.parent
        if folder not in series:
            series[folder] = {frame.path: frame.series for frame in _readable_frames(folder)}
        members = series[folder]
        is_slice = path in members and Counter(members.values())[members[path]] > 1
        images[path] = folder if is_slice else path
    return images


def _readable_frames(folder: Path) -> list[Frame]:
    frames = []
    for path in sorted(folder.iterdir()):
        try:
            frames += _frames(path)
        except UserError:
            # It is named when the series is read.
            continue
    return frames


def _frames(path: Path) -> list[Frame]:
    """Return the frames of a DICOM image, none of other files; raises UserError for a damaged one."""
    if path.name.startswith(".") or not path.is_file():
        return []
    header = read_dicom_header(path)
    return [] if header is None else frames_of(path, header)


def _ordered(path: Path) -> list[Frame]:
    """Return the frames of the only series at a path in the order of their places on a regular grid."""
    is_folder = path.is_dir()
    frames = [frame for file in (sorted(path.iterdir()) if is_folder else [path]) for frame in _frames(file)]
    what = f"DICOM series in {path.name}" if is_folder else f"DICOM file {path.name}"
    if not frames:
        if is_folder:
            inner = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and holds_dicom(entry))
            advice = f"Choose one of the folders in it: {', '.join(inner[:5])}." if inner else "Choose another folder."
            raise UserError(f"The folder {path.name} has no DICOM series that can be read.", advice)
        raise UserError(
            f"The {what} has no image.",
            "Choose an image; segmentations and structure sets are loaded in 3D Slicer and saved as .seg.nrrd.",
        )
    counts = Counter(frame.series for frame in frames)
    if len(counts) > 1:
        listed = ", ".join(
            f"number {next(frame.number for frame in frames if frame.series == series)} with {count} images"
            for series, count in counts.items()
        )
        raise UserError(
            f"The folder {path.name} has {len(counts)} DICOM series: {listed}.",
            "Put each series into a folder of its own.",
        )
    return _checked(_without_copies(frames), what)


def _without_copies(frames: Sequence[Frame]) -> list[Frame]:
    """Return the frames without those that are in another file as well."""
    # The identifier alone is not reliable: some anonymisers give the same one to all slices and phases.
    alike: dict[object, list[Frame]] = {}
    for frame in frames:
        alike.setdefault((frame.instance, frame.index, frame.place), []).append(frame)
    return [
        frame
        for first, *copies in alike.values()
        for frame in (first, *(other for other in copies if not _same_pixels(first, other)))
    ]


def _same_pixels(first: Frame, second: Frame) -> bool:
    return np.array_equal(first.read_file()[first.index], second.read_file()[second.index])


def _checked(frames: Sequence[Frame], what: str) -> list[Frame]:
    first = frames[0]
    if any(frame.spacing is None for frame in frames):
        raise UserError(f"The {what} does not say how large its pixels are.", "Export it again with its geometry.")
    if any(frame.samples != 1 for frame in frames):
        raise UserError(f"The {what} has colours, several values per voxel.", "Export one grey value per voxel.")
    if any(frame.size != first.size for frame in frames):
        sizes = " and ".join(f"{columns} x {rows}" for rows, columns in sorted({frame.size for frame in frames})[:2])
        raise UserError(f"The {what} has slices of different sizes ({sizes} pixels).", "Put each size into a folder.")
    if len(frames) == 1:
        return list(frames)
    if any(frame.place is None or frame.axes is None for frame in frames):
        raise UserError(
            f"The {len(frames)} images of the {what} do not say where they lie, so they make up no volume.",
            "Choose a series of slices with positions, or add single images one by one.",
        )
    axes, spacings = (np.array([getattr(frame, name) for frame in frames]) for name in ("axes", "spacing"))
    if np.abs(axes - axes[0]).max() > _TURNED:
        raise UserError(
            f"The slices of the {what} are turned against each other.", "Put parallel slices into a folder."
        )
    if not np.allclose(spacings, spacings[0], rtol=_TURNED):
        raise UserError(f"The slices of the {what} have pixels of different sizes.", "Export the series again.")
    return _in_order(frames, what)


def _in_order(frames: Sequence[Frame], what: str) -> list[Frame]:
    normal = np.cross(*np.array(frames[0].axes))
    order = np.argsort(np.array([frame.place for frame in frames]) @ normal, kind="stable")
    frames = [frames[index] for index in order]
    places = np.array([frame.place for frame in frames])
    depths = places @ normal
    steps = np.diff(depths)
    step = (depths[-1] - depths[0]) / len(steps)
    repeated = int(np.count_nonzero(steps <= _UNEVEN * max(step, 1e-3)))
    if repeated:
        raise UserError(
            f"The {what} has several images of one place: {len(frames)} images of {len(frames) - repeated} places, "
            "such as phases, echoes or a slice that was taken twice.",
            "Put one image of each place into a folder of its own.",
        )
    uneven = np.abs(steps - np.median(steps)) > _UNEVEN * np.median(steps)
    drift = np.abs(depths - depths[0] - step * np.arange(len(depths))) > 0.5 * step
    if uneven.any() or drift.any():
        raise UserError(
            f"The slices of the {what} are not evenly spaced ({steps.min():.3g} to {steps.max():.3g} mm); some may be "
            "missing.",
            "Export the series again with all of its slices.",
        )
    shifts = np.linalg.norm(places - places[0] - np.outer(depths - depths[0], normal), axis=1)
    # Directions are rounded as well, which adds up over a long volume.
    allowed = max(_SHIFTED * min(frames[0].spacing or (0.0,)), _TURNED * (depths[-1] - depths[0]))
    if shifts.max() > allowed:
        raise UserError(
            f"The slices of the {what} are shifted against each other by up to {shifts.max():.3g} mm, as with a tilted "
            "gantry.",
            _IN_SLICER,
        )
    return list(frames)


def _grid(frames: Sequence[Frame]) -> GridValues:
    first, last = frames[0], frames[-1]
    rows, columns = first.size
    between_rows, between_columns = first.spacing or (1.0, 1.0)
    axes = np.array(first.axes if first.axes is not None else [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
    normal = np.cross(*axes)
    normal /= np.linalg.norm(normal)
    origin = first.place or (0.0, 0.0, 0.0)
    step = first.thickness or 1.0
    if len(frames) > 1:
        step = float((np.array(last.place) - np.array(first.place)) @ normal) / (len(frames) - 1)
    direction = np.column_stack([axes[0], axes[1], normal]).ravel().tolist()
    return (columns, rows, len(frames)), (between_columns, between_rows, step), tuple(origin), tuple(direction)


def _voxels(frames: Sequence[Frame]) -> np.ndarray:
    """Return the rescaled values (Z, Y, X); float32 where slices differ in type or in their scale."""
    files: dict[Path, np.ndarray] = {}
    slices = []
    for frame in frames:
        if frame.path not in files:
            files = {frame.path: frame.read_file()}
        slices.append(files[frame.path][frame.index])
    same_type = len({part.dtype for part in slices}) == 1
    return np.stack(slices) if same_type else np.stack([part.astype(np.float32) for part in slices])
