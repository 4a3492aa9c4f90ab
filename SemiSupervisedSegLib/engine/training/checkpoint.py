"""The state of a training on disk: written atomically, read without running what it contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...jobs.folder import LAST_CHECKPOINT
from ...study.errors import UserError
from ...study.files import atomic_path
from ..tensor_files import CarriesCode, Damaged, read_content, write_content

VERSION = 2
_ADVICE = "Start a new round, or restore the file from a backup."
_TYPES = {
    "key": str,
    "step": int,
    "stage": int,
    "method": dict,
    "optimizers": dict,
    "stage_start": int,
    "average": dict,
}
UNKNOWN_START = -1
"""Start of the stage in checkpoints of older programs, which did not keep it."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything a resumed training needs beside the job and the images; no generator state, see data.randomness.

    Attributes:
        key: Hash of the job and the plan it belongs to.
        step: Number of steps done over all stages.
        stage: Index of the stage it was saved in.
        method: State of the method's networks and memories.
        optimizers: State of each objective's optimizer, by the objective's name.
        stage_start: Number of steps that were done when the stage began.
        average: State of the averaged network, empty where none is kept and in files of older programs.
    """

    key: str
    step: int
    stage: int
    method: dict[str, Any]
    optimizers: dict[str, Any]
    stage_start: int = UNKNOWN_START
    average: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that the former one stays until this one is complete; raises UserError on a full disk."""
    with atomic_path(folder / LAST_CHECKPOINT) as temporary:
        folder.mkdir(exist_ok=True)
        write_content(temporary, {"version": VERSION, **vars(checkpoint)})


def has_checkpoint(folder: Path) -> bool:
    """Return whether a job has a checkpoint to resume from."""
    return (folder / LAST_CHECKPOINT).exists()


def load_checkpoint(folder: Path, key: str, device: torch.device) -> Checkpoint | None:
    """Read the checkpoint of a job, None when there is none yet.

    Raises:
        UserError: The file is not a checkpoint, is damaged, carries program code, or belongs to another job.
    """
    path = folder / LAST_CHECKPOINT
    if not path.exists():
        return None
    try:
        checkpoint = _parse(read_content(path, device))
    except CarriesCode as error:
        raise UserError("The checkpoint carries program code and was not loaded.", _ADVICE) from error
    except (Damaged, LookupError, TypeError, AttributeError) as error:
        raise damaged_checkpoint() from error
    if checkpoint.key != key:
        raise UserError(
            "The checkpoint belongs to a round with other cases, structures or settings.",
            "Undo the change to the round, or start a new one.",
        )
    return checkpoint


def damaged_checkpoint() -> UserError:
    """Return the error for a file that is no checkpoint, or one of another training."""
    return UserError(f"The file {LAST_CHECKPOINT} is not a checkpoint, or it is damaged.", _ADVICE)


def _parse(content: Any) -> Checkpoint:
    version = content.pop("version")
    if type(version) is not int:
        raise TypeError("the version is not a number")
    if version > VERSION:
        raise UserError("The checkpoint was written by a newer version of this program.", "Update the program.")
    checkpoint = Checkpoint(**content)
    if any(not isinstance(getattr(checkpoint, name), kind) for name, kind in _TYPES.items()):
        raise TypeError("an entry is of another type")
    return checkpoint
