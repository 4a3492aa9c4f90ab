"""The first things of a job, read without its cases: those of a large study take too long for a click."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...jobs.folder import JobFolder
from ...study.errors import UserError


@dataclass(frozen=True)
class JobHead:
    """Kind (`train` or `predict`), method and device of a job; all empty where job.json cannot be read."""

    kind: str = ""
    method: str = ""
    device: str = ""


def head_of(folder: JobFolder) -> JobHead:
    """The first things of a job."""
    path = folder.path / "job.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return JobHead()


def can_go_on(folder: JobFolder) -> bool:
    """Whether a round is a training without a result, given that nobody works on it."""
    try:
        return head_of(folder).kind == "train" and folder.result() is None
    except UserError:
        return False


@lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> JobHead:
    content = json.loads(path.read_text(encoding="utf-8"))
    return JobHead(str(content["kind"]), str(content["method"]), str(content["device"]))
