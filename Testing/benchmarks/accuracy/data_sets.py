"""The public data sets that published tables are about: their files, their test cases and how they were prepared.

A folder of a data set holds its files as their distributors lay them (`layout` in data_sets.toml), perhaps deeper. With
train.list and test.list in it, one id a line, these decide; an id is the name of a case, or of a patient of several
images. Without them, the ids are sorted and shuffled by `numpy.random.default_rng(0)`: the first ones are test cases,
the next ones are not used, as many as the publication had for validation, and the rest is the training list.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from SemiSupervisedSegLib.jobs.entries import choose
from SemiSupervisedSegLib.jobs.records import from_plain
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Structure
from SemiSupervisedSegLib.study.structures import default_color

from . import left_atrium

FILE = Path(__file__).with_name("data_sets.toml")
LISTS = ("train.list", "test.list")


@dataclass(frozen=True)
class Target:
    """A structure of the study, and the values of the published annotations that belong to it."""

    name: str
    label: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """An entry of data_sets.toml.

    Attributes:
        title: for people.
        published: its name in published.csv.
        source: where it comes from.
        layout: how its files lie, for people.
        structures: what is segmented. Their labels differ between sets that are trained together.
        reader: what reads the files; all that follows up to `test` is of NIfTI files only.
        images: regular expression of the paths of images, at their end; the group `name` is the id of the case,
            together with the group `site`.
        annotation: what has to be replaced by what in the path of an image; capitals do not matter.
        sites: those of a set of several.
        spacing: mm, to which images are resampled linearly and annotations to the nearest voxel.
        window: intensities outside of it become its ends.
        crop: `annotation`, to its box and `margin` voxels around it; `slices`, to those that are annotated; `image`, to
            the box of all voxels that are not 0.
        margin: see there.
        in_plane_size: rows and columns, to which slices are resampled whatever their spacing.
        test: number of test cases or patients.
        unused: number of those that the publication validated with.
        counted: what these numbers and label counts are numbers of.
        unit_voxels: whether voxels are taken for 1 mm, as publications do that know none; so are those of
            `in_plane_size`.
    """

    title: str
    published: str
    source: str
    layout: str
    structures: tuple[Target, ...]
    reader: Literal["nifti", "left_atrium"] = "nifti"
    images: str = ""
    annotation: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    spacing: float = 0.0
    window: tuple[float, ...] = ()
    crop: Literal["", "annotation", "slices", "image"] = ""
    margin: int = 0
    in_plane_size: int = 0
    test: int = 0
    unused: int = 0
    counted: Literal["scans", "patients"] = "scans"
    unit_voxels: bool = False

    def unit(self, case_id: str) -> str:
        """The case or the patient that counts."""
        return case_id.partition("_")[0] if self.counted == "patients" else case_id

    def study_structures(self) -> list[Structure]:
        """The structures of a study of it."""
        return [Structure(item.name, item.label, default_color(item.label - 1)) for item in self.structures]


@dataclass(frozen=True)
class Files:
    """A case of a data set: its image and its annotation; of the left atrium both are one file."""

    id: str
    image: Path
    annotation: Path
    site: str = ""


@cache
def all_data_sets() -> dict[str, DataSet]:
    """All data sets by name."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: from_plain(DataSet, entry) for name, entry in content.items()}


def data_set(name: str) -> DataSet:
    """The data set of a name; raises UserError when there is none."""
    return choose("data set", name, all_data_sets())


def find_files(entry: DataSet, folder: Path) -> list[Files]:
    """The cases in a folder, sorted by id; raises UserError when there are none or annotations are missing."""
    if entry.reader == "left_atrium":
        scans = [scan for name in LISTS for scan in left_atrium.read_list(folder / name)]
        paths = {scan: left_atrium.scan_file(folder, scan) for scan in scans}
        return [Files(scan, path, path) for scan, path in paths.items()]
    # Hidden files are what macOS leaves beside the real ones in the archives.
    files = [path for path in sorted(folder.rglob("*.nii*")) if path.is_file() and not path.name.startswith(".")]
    by_name = {path.as_posix().lower(): path for path in files}
    found = {}
    for path in files:
        match = re.search(rf"(?:^|/){entry.images}$", path.as_posix())
        if match is None:
            continue
        site = match.groupdict().get("site", "")
        case_id = f"{site}-{match['name']}" if site else match["name"]
        found[case_id] = Files(case_id, path, _annotation(entry, path, by_name), site)
    if not found:
        raise UserError(f"There are no images of {entry.title} in {folder}.", f"Expected are {entry.layout}.")
    return [found[case_id] for case_id in sorted(found)]


def _annotation(entry: DataSet, image: Path, by_name: dict[str, Path]) -> Path:
    before, _, after = image.as_posix().lower().rpartition(entry.annotation[0].lower())
    annotation = by_name.get(f"{before}{entry.annotation[1].lower()}{after}")
    if annotation is None:
        raise UserError(f"The image {image.name} has no annotation.", f"Expected are {entry.layout}.")
    return annotation


def split(entry: DataSet, folder: Path, files: Sequence[Files], test: int = 0) -> tuple[list[str], list[str]]:
    """The units of the training list in its order, and those that are tested; see the module.

    Args:
        entry: the data set.
        folder: where the lists may lie.
        files: its cases, of the local site only.
        test: number of test cases, that of the data set when 0.

    Raises:
        UserError: there are too few, or a list names a case that is not there.
    """
    units = sorted({entry.unit(case.id) for case in files})
    if any((folder / name).is_file() for name in LISTS):
        training, tested = (left_atrium.read_list(folder / name) for name in LISTS)
        unknown = [unit for unit in (*training, *tested) if unit not in units]
        shared = sorted(set(training) & set(tested))
        if unknown or shared:
            what = f"name {shared[0]!r} twice" if shared else f"name {unknown[0]!r}, which has no image"
            raise UserError(f"The lists of {entry.title} {what}.", "Correct train.list and test.list.")
        return training, tested
    tested, unused = test or entry.test, entry.unused
    if len(units) <= tested + unused:
        raise UserError(
            f"{len(units)} {entry.counted} of {entry.title} are too few for {tested} that are tested and {unused} that "
            "are not used.",
            "Get the whole data set, or write train.list and test.list.",
        )
    shuffled = [units[place] for place in np.random.default_rng(0).permutation(len(units))]
    return shuffled[tested + unused :], shuffled[:tested]
