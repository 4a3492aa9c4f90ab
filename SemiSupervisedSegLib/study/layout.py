"""The folder of a study, and the names of everything in it."""

from __future__ import annotations

import os
from pathlib import Path

STUDY_FILE = "study.json"


class StudyFolder:
    """The places in a study folder.

    ::

        study.json                what the study is: cases, sites, roles, structures
        study.lock                held while study.json is changed
        images/ annotations/      what came from the scene (files elsewhere are referenced, not copied)
        cache/                    preprocessed cases; safe to delete
        rounds/001-cu2l/          a job folder each, whose names `jobs` owns
        comparisons/001/          a comparison of methods: its files, and a job folder for each of its trainings

    Args:
        path: Folder of the study, which need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def study_file(self) -> Path:
        """The file with the cases and structures."""
        return self.path / STUDY_FILE

    @property
    def lock_file(self) -> Path:
        """The file that is locked while the study is changed."""
        return self.path / "study.lock"

    @property
    def images(self) -> Path:
        """The folder of the images that came from the scene."""
        return self.path / "images"

    @property
    def annotations(self) -> Path:
        """The folder of the annotations that were drawn or accepted in the panel."""
        return self.path / "annotations"

    @property
    def cache(self) -> Path:
        """The folder of the preprocessed cases."""
        return self.path / "cache"

    @property
    def image_digests(self) -> Path:
        """The file with the hashes of the images, by which copies are found."""
        return self.cache / "image_digests.json"

    @property
    def rounds(self) -> Path:
        """The folder of the rounds."""
        return self.path / "rounds"

    @property
    def comparisons(self) -> Path:
        """The folder of the comparisons of methods."""
        return self.path / "comparisons"

    def has_job(self, job: Path) -> bool:
        """Return whether a job folder lies where the rounds and the trainings of the comparisons of this study do."""
        return job.parent == self.rounds or job.parent.parent == self.comparisons

    def exists(self) -> bool:
        """Return whether there is a study in this folder."""
        # Not of Path, which fails for a folder that may not be entered.
        return os.path.isfile(self.study_file)


def study_of_job(job: Path) -> StudyFolder:
    """Return the folder of the study that a job folder belongs to: STUDY/rounds/NAME or STUDY/comparisons/NUMBER/NAME.

    For a job folder elsewhere it is the folder two levels above.
    """
    within_comparison = StudyFolder(job.parent.parent.parent)
    return within_comparison if within_comparison.has_job(job) else StudyFolder(job.parent.parent)
