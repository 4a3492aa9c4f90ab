"""From images that the user chose to cases of the study, in steps that a timer can take one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ....study.cases import stored_path
from ....study.errors import UserError
from ....study.files import write_error
from ....study.layout import StudyFolder
from ....study.model import Case, Structure
from ....study.names import default_id
from ....study.other_structures import other_structures, write_without
from ...logic.annotation_files import new_annotation_file
from ...logic.dicom_database import DicomDatabase, image_of, pseudonymous_id, series_in
from ...logic.label_maps import find_label_maps
from ...logic.new_cases import ImageNames, check_new_cases, find_images, free_file, make_cases, with_new_cases
from ...scene.adopting import segmentationOf
from ...scene.annotations import exportSegmentation
from ...scene.changes import hide
from ...scene.hierarchy import putIntoSources
from ...scene.volumes import exportVolume, nameOf
from ...session import Session

if TYPE_CHECKING:
    import slicer

Progress = tuple[str, int, int]
"""The present action, its progress, and its length; zero when that is not known."""
Work = Generator[Progress, None, tuple[int, int]]
"""Gives progress, and at the end how many images were added and how many of them are annotated."""


class ImageImport:
    """One import; with any bad image nothing is added, and `undo` removes what was copied.

    Args:
        session: Session whose study gets the cases.
        site: Site that the images come from.
        useAsAnnotations: Function that asks the user whether files that look like label maps are annotations.
        leaveOut: Function that asks the user whether structures that the study does not have are left out.
    """

    def __init__(
        self,
        session: Session,
        site: str,
        useAsAnnotations: Callable[[list[str]], bool],
        leaveOut: Callable[[list[str]], bool],
    ) -> None:
        self._session, self._site = session, site
        self._useAsAnnotations, self._leaveOut = useAsAnnotations, leaveOut
        self._written: list[Path] = []
        self._adopted: list[slicer.vtkMRMLSegmentationNode] = []

    def undo(self) -> None:
        """Remove the files that were copied into the study, after a failure or when the user cancels."""
        study = self._session.study
        used = set() if study is None else {study.image_path(case) for case in study.cases}
        used |= set() if study is None else {study.annotation_path(case) for case in study.cases}
        for path in self._written:
            # Whatever went wrong, what the study refers to stays.
            if path in used:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        self._written = []

    def fromFolder(self, folder: Path) -> Work:
        """Yield all images in a folder and its subfolders; raises UserError when there are none."""
        images: list[Path] = []
        for imagesSoFar in find_images(folder, self._session.study):
            images = imagesSoFar
            yield (_("Looking for images"), 0, 0)
        if not images:
            raise UserError(
                _("There are no images in {folder}.").format(folder=folder),
                _("Choose a folder with NRRD, NIfTI or MetaImage files or DICOM series."),
            )
        return (yield from self.fromFiles(images))

    def fromFiles(self, files: list[Path]) -> Work:
        """Add images at their present place; raises UserError, naming the case, for an unusable one.

        Files that look like label maps of other images become their annotations if the user agrees, else nothing.
        """
        labelMaps: dict[Path, Path] = {}
        for matches in find_label_maps(files):
            labelMaps = matches
            yield (_("Looking for annotations"), 0, 0)
        images = [file for file in files if file not in labelMaps]
        isUsed = bool(labelMaps) and self._useAsAnnotations([path.name for path in labelMaps])
        return (yield from self._addCases(images, {image: path for path, image in labelMaps.items()} if isUsed else {}))

    def _addCases(
        self, images: list[Path], annotations: dict[Path, Path], names: dict[Path, ImageNames] | None = None
    ) -> Work:
        cases = []
        for case in make_cases(self._session.study, images, self._site, annotations, names):
            cases.append(case)
            yield (_("Looking for images"), 0, 0)
        cases = yield from self._withoutOthers(cases)
        for done in check_new_cases(self._session.study, cases):
            yield (_("Checking images"), done, len(cases))
        if cases:
            self._session.edit_study(lambda study: with_new_cases(study, cases))
        return len(cases), sum(1 for case in cases if case.annotation)

    def _withoutOthers(self, cases: list[Case]) -> Generator[Progress, None, list[Case]]:
        """Return the cases with copies of annotations that have further structures, if the user agrees."""
        study, others = self._session.study, {}
        for number, case in enumerate(cases, 1):
            # What is wrong with a file is said when it is checked.
            with contextlib.suppress(UserError):
                if case.annotation is not None:
                    others[case.id] = other_structures(study.annotation_path(case), study.structures)
            yield (_("Looking into annotations"), number, len(cases))
        others = {caseId: found for caseId, found in others.items() if found}
        names = {structure.name: None for found in others.values() for structure in found}
        if not others or not self._leaveOut(list(names)):
            return cases
        copies = {case.id: self._copyWithout(others[case.id], case) for case in cases if case.id in others}
        return [copies.get(case.id, case) for case in cases]

    def _copyWithout(self, others: tuple[Structure, ...], case: Case) -> Case:
        study = self._session.study
        target = new_annotation_file(study, case.id)
        self._written.append(target)
        write_without(others, study.annotation_path(case), study.structures, study.image_path(case), target)
        return dataclasses.replace(case, annotation=stored_path(study, target))

    def fromVolumes(self, volumes: list[slicer.vtkMRMLScalarVolumeNode]) -> Work:
        """Copy volumes of the scene into the study with the user's segmentations of them."""
        folder = StudyFolder(self._session.folder).images
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        images, annotations = [], {}
        names: dict[Path, ImageNames] = {}
        for number, volume in enumerate(volumes, 1):
            image = free_file(folder, default_id(f"{nameOf(volume)}.nrrd"), ".nrrd")
            self._written.append(image)
            exportVolume(volume, image)
            images.append(image)
            names[image] = ImageNames(title=nameOf(volume))
            annotation = self._annotationOf(volume, image)
            if annotation is not None:
                annotations[image] = annotation
            yield (_("Copying images"), number, len(volumes))
        counts = yield from self._addCases(images, annotations, names)
        # From now on the cases show their own copies. The originals would lie over all of them, and a correction of an
        # original would change nothing in the study.
        originals = [*volumes, *self._adopted]
        for node in originals:
            hide(node)
        putIntoSources(_("Sources (the study has copies)"), originals)
        if counts[0] and self._session.case_id is None:
            self._session.show(self._session.study.cases[-counts[0]].id)
        return counts

    def fromDatabase(self, database: DicomDatabase, choose: Callable[[list[str]], list[int]]) -> Work:
        """Add series of Slicer's DICOM database; `choose` lets the user take some of a list."""
        series = []
        for found in series_in(database):
            series = found
            yield (_("Looking into the DICOM database"), len(series), 0)
        names: dict[Path, ImageNames] = {}
        chosen = choose([item.label for item in series])
        for number, row in enumerate(chosen, 1):
            image, isCopy = image_of(series[row], StudyFolder(self._session.folder).images)
            if isCopy:
                self._written.append(image)
            # The folders of the database, or of a patient's disc, are no names for files of the study.
            names[image] = ImageNames(id=pseudonymous_id(series[row].names, set()))
            yield (_("Copying images"), number, len(chosen))
        return (yield from self._addCases(list(names), {}, names))

    def _annotationOf(self, volume: slicer.vtkMRMLScalarVolumeNode, image: Path) -> Path | None:
        study = self._session.study
        node = segmentationOf(volume, study.structures)
        if node is None:
            return None
        target = new_annotation_file(study, default_id(image))
        self._written.append(target)
        self._adopted.append(node)
        try:
            exportSegmentation(node, study.structures, image, target, volume)
        except UserError as error:
            raise UserError(f"{nameOf(node)}: {error.message}", error.advice) from error
        return target
