"""Work that builds on an earlier round: resuming it, or starting from its model."""

from __future__ import annotations

from pathlib import Path

from ..study.errors import UserError
from .folder import JobFolder


def check_resumable(folder: JobFolder) -> None:
    """Raise UserError when a round cannot be resumed, because it runs, is complete, or cannot be read."""
    folder.spec()
    if folder.is_running():
        raise UserError(f"The round {folder.name} is running.", "Wait until it ends, or stop it first.")
    if folder.status().state == "finished" and folder.result() is not None:
        raise UserError(f"The round {folder.name} is complete.", "Begin a new round, with a warm start to build on it.")


def is_unfinished_training(folder: JobFolder) -> bool:
    """Return whether a round is a training without a result; its cases are not read."""
    try:
        return folder.head().kind == "train" and folder.result() is None
    except UserError:
        return False


def trained_model_folder(folder: JobFolder) -> Path:
    """Return the folder of the model that a round trained; raises UserError when there is none yet."""
    if not folder.model.is_dir():
        raise UserError(f"The round {folder.name} has no model yet.", "Let it finish first, or choose another round.")
    return folder.model
