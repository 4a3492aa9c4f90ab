"""The user's decisions on the results of a round, stored in the round's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...jobs.folder import JobFolder
from ...jobs.records import from_plain, to_plain
from ...study.errors import UserError
from ...study.files import write_text_atomically
from ...study.model import Role
from .round_names import round_title

FILE = "review.json"


@dataclass(frozen=True)
class CaseBefore:
    """What a case was before its result was accepted."""

    role: Role
    annotation: str | None
    structures: tuple[str, ...] | None


@dataclass(frozen=True)
class Decision:
    """The user's word on the result of one case.

    Attributes:
        verdict: Verdict of the user.
        annotation: Path, as stored in the study, of the annotation from an accepted result.
        before: State to restore when the acceptance is undone.
        corrected_ml: Volume in mL that the user changed in an accepted result; None where it is not known, as in rounds
            of older programs.
    """

    verdict: Literal["accepted", "rejected"]
    annotation: str | None = None
    before: CaseBefore | None = None
    corrected_ml: float | None = None


def read_decisions(folder: JobFolder) -> dict[str, Decision]:
    """Return the decisions on the results of a round by case id; raises UserError when they cannot be read."""
    path = _path(folder)
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {case_id: from_plain(Decision, item, ignore_unknown=True) for case_id, item in data.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"The decisions on round {round_title(folder.name)} ({FILE}) cannot be read.",
            "Restore the file, or remove it to begin the review of this round again; annotations stay as they are.",
        ) from error


def write_decisions(folder: JobFolder, decisions: Mapping[str, Decision]) -> None:
    """Replace the decisions on a round; raises UserError, with the old ones intact, when that is not possible."""
    content = {case_id: to_plain(decision) for case_id, decision in decisions.items()}
    write_text_atomically(_path(folder), json.dumps(content, indent=2) + "\n")


def _path(folder: JobFolder) -> Path:
    return folder.path / FILE
