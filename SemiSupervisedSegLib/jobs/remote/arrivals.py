"""What comes back from another machine: checked, with the names of the study, and put in place as a whole."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...study.errors import UserError
from ...study.files import TEMPORARY_PREFIX, check_stays_inside, write_bytes_atomically, write_error
from ..folder import JobFolder
from ..round_key import keep_key, key_of
from .far_end import CHECKPOINT, RESULTS
from .parcel import job_there
from .pseudonyms import Escape, Pseudonyms, in_html, in_json, in_unicode_json

_FETCHED = f"{TEMPORARY_PREFIX}fetched"
_OF_CASES = ("predictions", "previews")
_CASE_FILE = re.compile(r"summary\.json|[a-z][a-z0-9_.-]*\.nrrd")
# How a name is written in a text of this kind; metadata.json of a model has Unicode letters.
_ESCAPES: dict[str, Escape] = {".html": in_html, ".json": in_json, ".csv": str, ".log": str}


class Arrivals:
    """Takes the results of a round in; complete files of an attempt that was cut off are not fetched again.

    Args:
        folder: Folder of the round, whose lock the caller holds.
        names: Pseudonyms of the job.
    """

    def __init__(self, folder: JobFolder, names: Pseudonyms) -> None:
        self._folder, self._names = folder, names
        self._home = folder.path / _FETCHED

    def missing(self, expected: Mapping[str, Any]) -> list[str]:
        """Return which of the expected files are not here yet; raises UserError for one that no round has."""
        for name in expected:
            self._place_of(name)
        return [name for name, (_, digest) in expected.items() if _hash(self._home / name) != digest]

    def receive(self, archive: tarfile.TarFile, expected: Mapping[str, Any]) -> None:
        """Take files out of a tar; raises UserError for files that were not asked for, or a full disk."""
        for entry in archive:
            stream = archive.extractfile(entry) if entry.isfile() else None
            if stream is None or entry.name not in expected:
                raise UserError("The other machine sent files that no round has.", "Nothing of it was taken over.")
            target = self._home / entry.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(stream, file)
            except OSError as error:
                raise write_error(target, error) from error

    def put_in_place(self, expected: Mapping[str, Any]) -> None:
        """Give all files their names and places in the round, result.json last; raises UserError when it fails."""
        for name in expected:
            self._restore(self._home / name)
        try:
            self._rename_cases()
            for name in (self._folder.checkpoints.name, *RESULTS):
                # The results of a round are complete when result.json is there.
                if name != "result.json":
                    self._replace(name)
            if CHECKPOINT in expected:
                # A training that continues this one here finds other names in the job than the checkpoint knows.
                keep_key(self._folder, key_of(self._folder, job_there(self._folder.spec(), self._names)))
            self._replace("result.json")
        except OSError as error:
            raise write_error(self._folder.path, error) from error
        shutil.rmtree(self._home, ignore_errors=True)

    def write_preview(self, name: str, data: str) -> None:
        """Write a preview of a training; raises UserError for a file that is none, or a full disk."""
        place = self._place_of(name)
        if place.parts[0] != self._folder.previews.name:
            raise _no_result(name)
        target = self._folder.path / place
        check_stays_inside(target, self._folder.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(target, error) from error
        write_bytes_atomically(target, base64.b64decode(data))

    def _place_of(self, name: str) -> PurePosixPath:
        """Return where a file belongs in the round; raises UserError for one that no round has."""
        path = PurePosixPath(name)
        if name == CHECKPOINT:
            return path
        top = path.parts[0] if path.parts else ""
        if path.is_absolute() or ".." in path.parts or "\\" in name or top not in (*RESULTS, *_OF_CASES):
            raise _no_result(name)
        if top not in _OF_CASES:
            return path
        if len(path.parts) != 3 or not _CASE_FILE.fullmatch(path.name):
            raise _no_result(name)
        kind, case, file = path.parts
        return PurePosixPath(kind, self._names.original(case), file)

    def _restore(self, path: Path) -> None:
        escape = in_unicode_json if path.name == "metadata.json" else _ESCAPES.get(path.suffix)
        if escape is not None:
            # Bytes, so that ends of lines and damaged letters of a log stay as they are.
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            path.write_bytes(self._names.restore(text, escape).encode("utf-8", "surrogateescape"))

    def _rename_cases(self) -> None:
        predictions = self._home / self._folder.predictions.name
        for place in sorted(predictions.iterdir()) if predictions.is_dir() else ():
            if place.name in self._names.originals:
                target = predictions / self._names.original(place.name)
                # It has its name already where an attempt was killed at this place.
                shutil.rmtree(target, ignore_errors=True)
                os.replace(place, target)

    def _replace(self, name: str) -> None:
        source, target = self._home / name, self._folder.path / name
        if not source.exists():
            return
        check_stays_inside(target, self._folder.path)
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(source, target)


def _hash(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _no_result(name: str) -> UserError:
    return UserError(f"The other machine sent {name!r}, which no round has.", "Nothing of it was taken over.")
