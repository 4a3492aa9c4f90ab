"""What a checkpoint belongs to: a hash of the job and the plan it was saved with."""

from __future__ import annotations

import hashlib
import json

from ..study.errors import UserError
from ..study.files import write_text_atomically
from .folder import JobFolder

PLAN_FILE = "plan.json"
KEY_FILE = "key.txt"
"""File beside a checkpoint that was saved on another machine, under other names of cases: the key of that job."""


def round_key(folder: JobFolder) -> str:
    """Return the key of the checkpoints of a round, which stays the same when a study is moved or copied.

    Raises:
        UserError: A file is missing or damaged.
    """
    try:
        return (folder.checkpoints / KEY_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return key_of(folder, folder.spec_file.read_text(encoding="utf-8") if folder.exists() else "")
    except (OSError, ValueError) as error:
        raise UserError(f"{KEY_FILE} of the round is damaged.", "Start a new round.") from error


def key_of(folder: JobFolder, job: str) -> str:
    """Return the key of a job with the plan of a round; raises UserError when the plan is missing or damaged.

    Args:
        folder: Folder of the round.
        job: Content of job.json, which has other names on another machine.
    """
    try:
        content = json.loads((folder.path / PLAN_FILE).read_text(encoding="utf-8"))
        decisive = [job, content["plan"], content["settings"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError("plan.json of the round is damaged.", "Start a new round.") from error
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def keep_key(folder: JobFolder, key: str) -> None:
    """Keep the key of a checkpoint that was saved on another machine; raises UserError when it cannot be written."""
    write_text_atomically(folder.checkpoints / KEY_FILE, key + "\n")
