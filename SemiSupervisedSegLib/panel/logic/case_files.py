"""What the files of a case contain, as the scene can show it without another conversion.

Reading needs neither Qt nor the scene, so that another process can do it ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import SimpleITK as sitk

from ...jobs.structure_maps import SHARES
from ...study.annotations import read_annotation
from ...study.geometry import Geometry
from ...study.images import image_geometry, read_image
from ...study.model import Structure
from ...study.segments import is_segmentation, read_segments
from .axes import empty_image, right_handed
from .dicom_source import instance_uids
from .worst_place import worst_place

# Shares of the voxels below black and above white, as Slicer chooses them, of about so many voxels.
_PERCENTILES, _SAMPLE = (0.1, 99.9), 1_000_000


@dataclass(frozen=True)
class FileRequest:
    """A file that is to be read.

    Attributes:
        kind: What it is; shares are a map in 255ths, and a worst place is where a map of differences is highest.
        path: Path of the file, or of the folder of a DICOM series.
        structures: Structures of the study, for segmentations and annotations.
        image: Path of the image whose grid an annotation is brought to.
    """

    kind: Literal["image", "map", "shares", "segmentation", "annotation", "worst_place"]
    path: str
    structures: tuple[Structure, ...] = ()
    image: str = ""

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes with the files; raises OSError when one is missing."""
        return tuple(Path(path).stat().st_mtime_ns for path in (self.path, self.image) if path)


@dataclass(frozen=True)
class FileContent:
    """What was read.

    Attributes:
        values: Voxels (z, y, x) on right-handed axes: intensities, values of a map, or label values of the structures.
        geometry: Grid of the voxels.
        window: Intensities that an image shows as black and white.
        uids: SOP instance UIDs of an image from DICOM.
        terminology: Entries of an annotation's own file by lower-case structure name.
        place: Worst place of a map in the scene (RAS, mm), None where the map is zero everywhere.
        owner: Keeps the memory of the voxels.
    """

    values: np.ndarray | None = None
    geometry: Geometry | None = None
    window: tuple[float, float] | None = None
    uids: tuple[str, ...] = ()
    terminology: dict[str, str] = field(default_factory=dict)
    place: tuple[float, float, float] | None = None
    owner: object = field(default=None, repr=False)


class CaseFiles(Protocol):
    """Reads the files of cases, some of them ahead."""

    def read(self, request: FileRequest) -> FileContent:
        """Return what a file contains; raises UserError when it cannot be read."""
        ...

    def expect(self, requests: list[FileRequest]) -> None:
        """Note what will probably be read next, the most probable first, in place of what was expected before."""
        ...


class DirectFiles:
    """Reads every file when it is needed."""

    def read(self, request: FileRequest) -> FileContent:
        """Return what a file contains; raises UserError when it cannot be read."""
        return read_content(request)

    def expect(self, requests: list[FileRequest]) -> None:
        """Read nothing ahead."""


def read_content(request: FileRequest) -> FileContent:
    """Return what a file contains; raises UserError when it cannot be read."""
    path = Path(request.path)
    if request.kind == "worst_place":
        return FileContent(place=worst_place(path))
    if request.kind == "image":
        content = _content(read_image(path))
        return FileContent(
            content.values, content.geometry, _window(content.values), instance_uids(path), owner=content.owner
        )
    if request.kind == "map":
        return _content(read_image(path))
    if request.kind == "shares":
        content = _content(read_image(path))
        return FileContent(np.divide(content.values, SHARES, dtype=np.float32), content.geometry)
    if request.kind == "segmentation":
        return _labels(read_image(path), [structure.label for structure in request.structures])
    return _annotation(request)


def _annotation(request: FileRequest) -> FileContent:
    path, structures = Path(request.path), request.structures
    classes = read_annotation(path, structures, empty_image(image_geometry(request.image)))
    content = _content(classes)
    labels = [structure.label for structure in structures]
    values = content.values
    if labels != list(range(1, 1 + len(labels))):
        values = np.array([0, *labels], dtype=np.uint8)[values]
    segments = read_segments(path) if is_segmentation(path) else ()
    terminology = {item.name.casefold(): item.terminology for item in segments if item.terminology}
    return FileContent(values, content.geometry, terminology=terminology, owner=content.owner)


def _labels(image: sitk.Image, labels: list[int]) -> FileContent:
    """Return label values as uint8 with those of no structure as 0; unlike an annotation it may be empty."""
    content = _content(image if image.GetPixelID() == sitk.sitkUInt8 else sitk.Cast(image, sitk.sitkUInt8))
    known = set(labels)
    # Files of the worker have no other values, and a look-up of each voxel takes longer than all else.
    if known.issuperset(range(1, int(content.values.max(initial=0)) + 1)):
        return content
    lookup = np.array([value if value in known else 0 for value in range(256)], dtype=np.uint8)
    return FileContent(lookup[content.values], content.geometry)


def _content(image: sitk.Image) -> FileContent:
    image = right_handed(image)
    return FileContent(sitk.GetArrayViewFromImage(image), Geometry.of(image), owner=image)


def _window(values: np.ndarray) -> tuple[float, float]:
    voxels = values.reshape(-1)
    lowest, highest = np.percentile(voxels[:: max(1, voxels.size // _SAMPLE)], _PERCENTILES)
    # An image of one value has no contrast, and a window of no width shows nothing.
    return float(lowest), float(highest if highest > lowest else lowest + 1)
