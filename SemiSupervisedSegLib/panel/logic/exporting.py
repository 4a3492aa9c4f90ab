"""The trained model of a round as a bundle, and its report, at another place."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from ...jobs.continuation import trained_model_folder
from ...jobs.folder import JobFolder
from ...study.errors import UserError
from ...study.files import atomic_folder, atomic_path, write_bytes_atomically
from .round_names import round_title


def copy_model(folder: JobFolder, target: Path) -> None:
    """Copy the model of a round as a folder, complete or not at all; raises UserError when it cannot be written."""
    model = trained_model_folder(folder)
    if target.exists():
        raise UserError(f"{target} exists already.", "Choose another name.")
    with atomic_folder(target) as new:
        shutil.copytree(model, new, dirs_exist_ok=True)


def zip_model(folder: JobFolder, target: Path) -> None:
    """Write the model of a round as one .zip file whose top folder has the file's name.

    Raises:
        UserError: The round has no model, or the file cannot be written.
    """
    model = trained_model_folder(folder)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(model.rglob("*")):
            if path.is_file():
                archive.write(path, Path(target.stem) / path.relative_to(model))


def copy_report(folder: JobFolder, target: Path) -> None:
    """Copy the report of a round, which is one file with its pictures; raises UserError when that is not possible."""
    try:
        content = folder.report.read_bytes()
    except OSError as error:
        raise UserError(f"Round {round_title(folder.name)} has no report.", "Choose another round.") from error
    write_bytes_atomically(target, content)
