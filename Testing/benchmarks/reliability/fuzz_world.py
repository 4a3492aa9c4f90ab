"""What fuzzed inputs are put into: a study with a finished round, a job of predictions, and files beside the study."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_prediction_spec, make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from .children import ForkedWorker
from .trial import SETTINGS

_LARGE = 1_000_000
Contents = dict[str, tuple[object, ...]]


class World:
    """Folders that are set up again for every input, always at the same place, as jobs name files by their whole path.

    Attributes:
        path: of everything below.
        study: with a labeled, a validation and an unlabeled case, and one finished round.
        round: of the study.
        prediction: the folder of a job that segments an image with the round's model.
        outside: files outside the study, in which nothing may change.
        temporary: the folder for temporary files of the programs.
    """

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template"
        self.path = folder / "world"
        self.study, self.outside = self.path / "study", self.path / "outside"
        self.prediction, self.temporary = self.path / "prediction", self.path / "temporary"
        self.round = self.study / "rounds" / "001-supervised"
        self._make()
        self.path.rename(self._template)

    def renew(self) -> None:
        """Undo everything that was done to the world."""
        shutil.rmtree(self.path, ignore_errors=True)
        # Files with their times, which the cache of prepared images goes by.
        shutil.copytree(self._template, self.path, symlinks=True, copy_function=_copy)

    def contents(self) -> Contents:
        """What is there now: by path, the kind of every file and folder and a hash of what is in it."""
        return {str(path.relative_to(self.path)): _describe(path) for path in self.path.rglob("*")}

    def _make(self) -> None:
        counts = {"labeled": 1, "unlabeled": 1, "external": 0, "validation": 1}
        study = generate_study(self.study, sites=1, size=(32, 32, 4), **counts)
        settings = {"steps": 2, "checkpoint_interval": 1, "validation_interval": 2, "labeled_batch": 1}
        settings = {**{name: SETTINGS[name] for name in ("patch_size", "in_plane_scale", "threads")}, **settings}
        folder = next_round(study.folder, "supervised")
        folder.write_spec(make_training_spec(study, "supervised", "quick", settings, device="cpu"))
        for place in (self.outside / "folder", self.temporary):
            place.mkdir(parents=True)
        (self.outside / "keep.txt").write_text("must not change\n", encoding="utf-8")
        (self.outside / "folder" / "keep.txt").write_text("nor this\n", encoding="utf-8")
        _run(folder)
        make_files(study, self.outside)
        job = JobFolder(self.prediction)
        job.write_spec(make_prediction_spec("new", [self.outside / "new.nrrd"], folder.model, device="cpu"))
        _run(job)
        # As if both had been killed at their very end, so that a worker has little to do.
        for place in (folder.path, job.path):
            (place / "result.json").unlink()
        shutil.rmtree(job.predictions)


def make_files(study: object, folder: Path) -> None:
    """Write a new image in every format, with an annotation and a table of cases."""
    source = next(case for case in study.cases if case.annotation is not None)
    image = sitk.ReadImage(str(study.image_path(source)), sitk.sitkInt16)
    for name in ("new.nrrd", "new.nii", "new.nii.gz", "new.mha", "new.mhd", "new.nhdr"):
        sitk.WriteImage(image, str(folder / name), useCompression=name in ("new.nrrd", "new.nhdr"))
    sitk.WriteImage(image, str(folder / "packed.mha"), useCompression=True)
    shutil.copy2(study.annotation_path(source), folder / "new.seg.nrrd")
    _write_dicom(image, folder / "dicom")
    rows = ["image,site,role,annotation,id,structures", "new.nrrd,site A,labeled,new.seg.nrrd,new-1,"]
    rows += ["new.nii.gz,site A,unlabeled,,new-2,"]
    (folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _write_dicom(image: sitk.Image, folder: Path) -> None:
    folder.mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    axes = image.GetDirection()
    for index in range(image.GetDepth()):
        part = image[:, :, index]
        position = image.TransformIndexToPhysicalPoint((0, 0, index))
        tags = {
            "0008|0060": "MR",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{index + 1}",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.2",
            "0020|000e": "1.2.826.0.1.3680043.2.1125.3",
            "0020|0013": str(index),
            "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "\\".join(f"{axes[row * 3 + column]:.6f}" for column in (0, 1) for row in range(3)),
        }
        for key, value in tags.items():
            part.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{index}.dcm"))
        writer.Execute(part)


def _run(folder: JobFolder) -> None:
    code = ForkedWorker(folder).wait()
    if code != 0:
        raise RuntimeError(f"exit code {code}, {folder.log.read_text(encoding='utf-8')}")


def _copy(source: str, target: str) -> None:
    # A file that is damaged or replaced is a new one.
    if os.path.getsize(source) > _LARGE:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _describe(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return "link", os.readlink(path)
    if stat.S_ISDIR(found.st_mode):
        return ("folder",)
    if not stat.S_ISREG(found.st_mode):
        return ("special",)
    if found.st_size > _LARGE:
        return "file", found.st_size, found.st_mtime_ns, found.st_ino
    return "file", found.st_size, hashlib.sha256(path.read_bytes()).hexdigest()
