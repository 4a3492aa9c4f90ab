"""Small files in the layouts of the public data sets, with which the tests read them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk

from .data_sets import DataSet, data_set

SIZE, SPACING = (24, 20, 12), (0.8, 0.8, 2.5)
BOX = (slice(3, 9), slice(6, 14), slice(8, 18))
"""Where the structures are (z, y, x)."""
_FILES = {
    "prostate_six_sites": ("RUNMC/Case{0:02}.nii.gz", "RUNMC/Case{0:02}_Segmentation.nii.gz", "RUNMC-Case{0:02}"),
    "brats2019": ("HGG/BraTS19_{0}/BraTS19_{0}_flair.nii.gz", "HGG/BraTS19_{0}/BraTS19_{0}_seg.nii.gz", "BraTS19_{0}"),
    "kits19": ("case_{0:05}/imaging.nii.gz", "case_{0:05}/segmentation.nii.gz", "case_{0:05}"),
    "nih_pancreas": ("images/PANCREAS_{0:04}.nii.gz", "labels/label{0:04}.nii.gz", "PANCREAS_{0:04}"),
    "msd_colon": ("imagesTr/colon_{0:03}.nii.gz", "labelsTr/colon_{0:03}.nii.gz", "colon_{0:03}"),
    "msd_spleen": ("imagesTr/spleen_{0}.nii.gz", "labelsTr/spleen_{0}.nii.gz", "spleen_{0}"),
    "msd_lung": ("imagesTr/lung_{0:03}.nii.gz", "labelsTr/lung_{0:03}.nii.gz", "lung_{0:03}"),
    "left_atrium": ("LA{0}/mri_norm2.h5", "", "LA{0}"),
    "acdc": (
        "patient{0:03}/patient{0:03}_frame01.nii.gz",
        "patient{0:03}/patient{0:03}_frame01_gt.nii.gz",
        "patient{0:03}",
    ),
}
"""Image, annotation and unit of case number {0}, by data set."""


def write_data_set(name: str, folder: Path, training: int = 3, test: int = 1, *, lists: bool = True) -> list[str]:
    """Write a data set of a few cases, with lists or without, and one more from each other site; return its units."""
    image, annotation, unit = _FILES[name]
    units = [unit.format(number) for number in range(1, 1 + training + test)]
    for number in range(1, 1 + training + test):
        # No two data sets have the same image.
        seed = 1000 * list(_FILES).index(name) + number
        write_case(data_set(name), folder, image.format(number), annotation.format(number), seed)
    for number, site in enumerate(data_set(name).sites[1:], 100):
        paths = [path.format(1).replace("RUNMC", site) for path in (image, annotation)]
        write_case(data_set(name), folder, *paths, number)
    if lists:
        (folder / "train.list").write_text("\n".join(units[:training]) + "\n")
        (folder / "test.list").write_text("\n".join(units[training:]) + "\n")
    return units


def write_case(entry: DataSet, folder: Path, image: str, annotation: str, seed: int) -> None:
    """Write one case: noise, zero in its outermost voxels, brighter in the box of the structures."""
    voxels = np.random.default_rng(seed).normal(200.0, 60.0, SIZE[::-1]).astype(np.float32)
    voxels[BOX] += 300.0
    hull = np.zeros(voxels.shape, bool)
    hull[1:-1, 1:-1, 1:-1] = True
    voxels[~hull] = 0.0
    labels = np.zeros(voxels.shape, np.uint8)
    labels[BOX] = entry.structures[0].values[0]
    # Every published value occurs, one slice each.
    values = [value for item in entry.structures for value in item.values]
    for offset, value in enumerate(values):
        labels[BOX[0].start + offset, BOX[1], BOX[2]] = value
    (folder / image).parent.mkdir(parents=True, exist_ok=True)
    if entry.reader == "left_atrium":
        with h5py.File(folder / image, "w") as file:
            file.create_dataset("image", data=voxels.T)
            file.create_dataset("label", data=labels.T)
        return
    for path, array in ((image, voxels), (annotation, labels)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        item = sitk.GetImageFromArray(array)
        item.SetSpacing(SPACING)
        sitk.WriteImage(item, str(folder / path))
