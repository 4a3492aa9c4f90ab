"""Make a study of the left-atrium set of 2018 from the h5 files that public benchmarks distribute.

    python -m Testing.benchmarks.accuracy.left_atrium DATA STUDY --labeled 8

DATA holds train.list and test.list, one id a line, and for each id a folder with mri_norm2.h5; the folders lie in DATA
or in its subfolder "2018LA_Seg_Training Set". A file has the datasets `image` (normalised intensities) and `label` (1
in the left atrium) of one shape. Their axes are x, y, z, so an element [i, j, k] becomes the voxel (i, j, k) of a
SimpleITK image; z is the axis across the axial slices. The files keep no geometry: the spacing is the 0.625 mm of the
challenge along all axes, the position is lost, and the directions of the axes are taken to be those of the patient
(LPS). Files were cropped in x and y around the annotation by those who made them, the test scans as well, which makes
the task easier than whole scans are; published figures share this.

The first ``--labeled`` scans of train.list are labeled, the other ones of it are unlabeled (their annotations are not
copied), and the scans of test.list are validation cases. Images and annotations are written into the study as NRRD.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk

from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import write_image
from SemiSupervisedSegLib.study.model import CASE_ID, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study, study_lock

SPACING_MM = 0.625
SITE = "local"
STRUCTURES = (Structure("left atrium", 1, (220, 60, 50)),)
FILE = "mri_norm2.h5"
SUBFOLDER = "2018LA_Seg_Training Set"


def make_study(
    data: Path, folder: Path, labeled: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Study:
    """Write the study and return it.

    Args:
        data: folder with the lists and the scans.
        folder: of the new study.
        labeled: how many scans of train.list are labeled.
        progress: called with the number of scans written and their total.

    Raises:
        UserError: a list or a scan is missing or cannot be used, or the study cannot be written.
    """
    training, test = read_list(data / "train.list"), read_list(data / "test.list")
    if shared := sorted(set(training) & set(test)):
        raise UserError(f"The scan {shared[0]} is in train.list and in test.list.", "Correct the lists.")
    if not 1 <= labeled <= len(training):
        raise UserError(f"{labeled} scans cannot be labeled.", f"train.list has {len(training)} scans.")
    study = create_study(folder, f"Left atrium, {labeled} labeled scans", Modality.MR, SITE, STRUCTURES)
    for name in ("images", "annotations"):
        (folder / name).mkdir(exist_ok=True)
    roles = [Role.LABELED] * labeled + [Role.UNLABELED] * (len(training) - labeled) + [Role.VALIDATION] * len(test)
    cases = []
    for done, (scan, role) in enumerate(zip([*training, *test], roles, strict=True), start=1):
        image, annotation = read_scan(scan_file(data, scan))
        paths = [folder / kind / f"{scan}.nrrd" for kind in ("images", "annotations")]
        write_image(paths[0], image)
        if role is not Role.UNLABELED:
            write_image(paths[1], annotation)
        given = None if role is Role.UNLABELED else paths[1]
        cases.append(new_case(study, paths[0], site=SITE, role=role, annotation=given, case_id=scan))
        progress(done, len(roles))
    with study_lock(folder):
        study = add_cases(study, cases)
        save_study(study)
    return study


def training_scans(data: Path) -> int:
    """How many scans train.list has; raises UserError when it cannot be used."""
    return len(read_list(data / "train.list"))


def read_list(path: Path) -> list[str]:
    """The ids of a list, without empty lines; raises UserError when it is missing, empty or has an id twice."""
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"There is no list {path.name} in {path.parent}.", "Name the folder with the lists.") from error
    unusable = [name for name in names if not CASE_ID.fullmatch(name) or names.count(name) > 1]
    if unusable or not names:
        what = f"has the line {unusable[0]!r}, which is no id or occurs twice" if unusable else "is empty"
        raise UserError(f"The list {path.name} {what}.", "Write the id of each scan once, one a line.")
    return names


def scan_file(data: Path, scan: str) -> Path:
    """Where the file of a scan lies; raises UserError when it is missing."""
    for place in (data / SUBFOLDER, data):
        if (place / scan / FILE).is_file():
            return place / scan / FILE
    raise UserError(f"There is no {FILE} of the scan {scan} in {data}.", f"Put it into {scan} or {SUBFOLDER}/{scan}.")


def read_scan(path: Path) -> tuple[sitk.Image, sitk.Image]:
    """Read the image (float32) and the annotation (uint8) of a scan.

    Raises:
        UserError: the file is damaged, lacks a dataset, or holds something else than a volume and its binary label.
    """
    name = f"{path.parent.name}/{path.name}"
    try:
        with h5py.File(path, "r") as file:
            voxels, label = (_dataset(file, key, name) for key in ("image", "label"))
    # h5py answers a damaged file with either, depending on where it is damaged.
    except (OSError, RuntimeError) as error:
        raise UserError(f"{name} is damaged or no HDF5 file.", "Get it again.") from error
    if voxels.ndim != 3 or voxels.shape != label.shape:
        raise UserError(
            f"In {name}, image {voxels.shape} and label {label.shape} are not two volumes of one shape.",
            "Get it again.",
        )
    if not np.isfinite(voxels).all():
        raise UserError(f"{name} has voxels that are not a number or infinite.", "Get it again.")
    if not np.isin(label, (0, 1)).all() or not label.any():
        raise UserError(f"The label of {name} has other values than 0 and 1, or is empty.", "Get it again.")
    return to_image(voxels.astype(np.float32)), to_image(label.astype(np.uint8))


def _dataset(file: h5py.File, key: str, name: str) -> np.ndarray:
    found = file.get(key)
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "biuf":
        raise UserError(f"{name} has no dataset {key!r} of numbers.", "Name the folder of the left-atrium h5 files.")
    return np.asarray(found[()])


def to_image(array: np.ndarray) -> sitk.Image:
    """An array (x, y, z) as an image of 0.625 mm voxels."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetSpacing((SPACING_MM,) * 3)
    return image


def main() -> None:
    """Read the command line and make the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with train.list, test.list and the scans")
    parser.add_argument("study", type=Path, help="folder of the new study")
    parser.add_argument("--labeled", type=int, default=8, help="labeled scans (8)")
    options = parser.parse_args()
    try:
        study = make_study(options.data, Path(os.path.abspath(options.study)), options.labeled)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    counts = {role.value: len(study.cases_of(role)) for role in Role if study.cases_of(role)}
    print(f"{study.folder}: {counts}")


if __name__ == "__main__":
    main()
