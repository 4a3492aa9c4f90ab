"""How a new piece of work builds on an earlier round: it goes on with it, or begins with its model."""

from __future__ import annotations

from pathlib import Path

from ..study.errors import UserError
from .folder import JobFolder


def check_resumable(folder: JobFolder) -> None:
    """Raise UserError when a round cannot go on, because it runs, is complete, or cannot be read."""
    folder.spec()
    if folder.is_running():
        raise UserError(f"The round {folder.name} is running.", "Wait until it ends, or stop it first.")
    if folder.status().state == "finished" and folder.result() is not None:
        raise UserError(f"The round {folder.name} is complete.", "Begin a new round, with a warm start to build on it.")


def model_of(folder: JobFolder) -> Path:
    """The folder of the model that a round trained; raises UserError when there is none yet."""
    if not folder.model.is_dir():
        raise UserError(f"The round {folder.name} has no model yet.", "Let it finish first, or choose another round.")
    return folder.model
