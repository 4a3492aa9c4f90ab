"""The same image under two names: a copy, a link, or another format with the same voxels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import UserError
from .files import write_error, write_text_atomically
from .images import image_geometry, read_image
from .layout import StudyFolder
from .model import Case, Role, Study

_BYTES = 16


def image_digest(image: sitk.Image) -> str:
    """Return a hash of the voxels of an image (X, Y, Z) that does not depend on its format or the order of its axes."""
    # The view needs the image to live on.
    oriented = sitk.DICOMOrient(image, "LPS")
    values = sitk.GetArrayViewFromImage(oriented)
    digest = hashlib.blake2b(repr(values.shape).encode(), digest_size=_BYTES)
    for part in values:
        digest.update(np.ascontiguousarray(part, dtype=np.float32).data)
    return digest.hexdigest()


class ImageDigests:
    """Hashes of the images of a study, which are kept in its cache so that no image is read again for them.

    Args:
        folder: Places in the study folder.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self._file = folder.image_digests
        self._known = _read(self._file)

    def of(self, path: Path, image: sitk.Image | None = None) -> str:
        """Return the hash of the image at a path, which is read unless it is given or known; raises UserError."""
        stamp = _stamp(path)
        if stamp not in self._known:
            self._known[stamp] = image_digest(read_image(path) if image is None else image)
        return self._known[stamp]

    def save(self) -> None:
        """Write the hashes into the cache of the study; raises UserError when the disk refuses or the study is gone."""
        try:
            self._file.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(self._file, error) from error
        write_text_atomically(self._file, json.dumps(self._known, indent=1) + "\n")

    def check_is_new(self, study: Study, case: Case, image: sitk.Image) -> None:
        """Raise UserError when a case of the study has the image of a new case; ignored cases do no harm."""
        path = study.image_path(case)
        compared = [] if case.role is Role.IGNORED else study.cases
        for other in compared:
            if other.role is not Role.IGNORED and self._is_same(path, image, study.image_path(other)):
                raise same_image(other, case)

    def _is_same(self, path: Path, image: sitk.Image, other: Path) -> bool:
        try:
            if path.samefile(other):
                return True
            if sorted(image_geometry(other).size) != sorted(image.GetSize()):
                return False
            return self.of(other) == self.of(path, image)
        except (OSError, UserError):
            # Errors of the other image are reported where it is used.
            return False


def same_image(first: Case, second: Case) -> UserError:
    """Return the error for two cases with the same image."""
    return UserError(
        f"The cases {first.id} and {second.id} have the same image ({Path(first.image).name} and "
        f"{Path(second.image).name}).",
        "Use every image only once, as scores of images that a model has learned from look too good.",
    )


def repeated_images(digests: Iterable[tuple[Case, str]]) -> list[str]:
    """Return a sentence for each case whose image is that of an earlier one."""
    first: dict[str, Case] = {}
    return [
        str(same_image(first[digest], case)) for case, digest in digests if first.setdefault(digest, case) is not case
    ]


def _stamp(path: Path) -> str:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files]
    # Files of one size may be written within one tick of the clock, so their places count as well.
    parts = [str(path.resolve()), *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)]
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogateescape"), digest_size=_BYTES).hexdigest()


def _read(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}
