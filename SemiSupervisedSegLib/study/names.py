"""Names of cases: what is shown, as the user writes it, and safe ids from it for the names of files."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Container
from pathlib import Path

from .errors import UserError
from .model import CASE_ID, MAX_NAME, Case, Study, name_key

_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
_UNUSABLE = "This name cannot be used."
_DOUBLE_SUFFIXES = (".nii.gz", ".seg.nrrd", ".img.gz")
# Letters that Unicode does not take apart into a plain letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)


def default_id(image: Path | str) -> str:
    """Return the id that a case gets from its file name: letters without accents, a hyphen for what ids cannot have."""
    return id_from_name(file_stem(image))


def file_stem(image: Path | str) -> str:
    """Return the name of an image file without its suffix, which may be a double one such as .nii.gz."""
    name = Path(image).absolute().name
    suffix = next((double for double in _DOUBLE_SUFFIXES if name.lower().endswith(double)), None)
    if suffix is None:
        suffix = "" if os.path.isdir(image) else Path(name).suffix
    return name[: len(name) - len(suffix)]


def free_id(taken: Container[str], case_id: str) -> str:
    """Return the id, or the next one that is not in `taken` (in lower case): brain, brain-2, brain-3."""
    free, number = case_id, 1
    while free.casefold() in taken:
        number += 1
        free = f"{case_id[:90]}-{number}"
    return free


def id_from_name(name: str) -> str:
    """Return an id that is as similar to a name as ids allow: é becomes e, and what they cannot have a hyphen."""
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    case_id = "".join(letter if CASE_ID.fullmatch(f"0{letter}") else " " for letter in letters)
    case_id = "-".join(case_id.split()).lstrip("._-")[:100].rstrip("-.") or "case"
    # Results lie in folders of this name, which Windows refuses for its devices, with any suffix.
    return f"case-{case_id}" if case_id.partition(".")[0].upper() in _DEVICES else case_id


def free_name(taken: Container[str], name: str) -> str:
    """Return the name, or the next one whose `name_key` is not in `taken`: brain, brain (2), brain (3)."""
    free, number = name, 1
    while name_key(free) in taken:
        number += 1
        free = f"{name[: MAX_NAME - 10]} ({number})"
    return free


def name_for(taken: Container[str], case_id: str, text: str) -> str | None:
    """Return the name that a new case gets from a text such as that of its file; None where its id says the same.

    Args:
        taken: Titles of all other cases by `name_key`.
        case_id: Id of the new case.
        text: Text that may have accents, blanks and brackets.
    """
    name = printable_name(text)
    return None if not name or name == case_id or id_from_name(name) == name else free_name(taken, name)


def titles_of(study: Study) -> set[str]:
    """Return the `name_key` of every title that a case of a study has."""
    return {name_key(case.title) for case in study.cases}


def printable_name(text: str) -> str:
    """Return a text without what cannot be shown in a line, and no longer than a name may be."""
    line = "".join(letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFC", text))
    return " ".join(line.split())[:MAX_NAME].rstrip()


def rename_case(study: Study, case_id: str, name: str) -> Study:
    """Return the study in which a case is shown under another name; its id and its files keep theirs.

    Args:
        study: Study that has the case; it is not changed.
        case_id: Id of the case.
        name: Name to show; an empty one or the id shows the id.

    Raises:
        UserError: There is no such case, the name cannot be shown, or another case has it.
    """
    case = study.case(case_id)
    renamed = with_name(case, _one_line(name, f"Write one line of up to {MAX_NAME} letters."))
    if name_key(renamed.title) in {name_key(other.title) for other in study.cases if other.id != case.id}:
        # Names can be those of patients, and messages reach logs.
        raise UserError(f"Another case than {case.id} has this name already.", "Choose another name.")
    cases = tuple(renamed if other.id == case.id else other for other in study.cases)
    return dataclasses.replace(study, cases=cases)


def with_name(case: Case, name: str) -> Case:
    """Return the case with a name to show, none where that is its id."""
    return dataclasses.replace(case, name=None if name in ("", case.id) else name)


def rename_site(study: Study, site: str, name: str) -> Study:
    """Return the study in which a site has another name in all of its cases.

    Raises UserError when the name cannot be shown or is that of another site.
    """
    advice = f"Write one line of one to {MAX_NAME} letters."
    name = _one_line(name, advice)
    if not name:
        raise UserError(_UNUSABLE, advice)
    others = {study.local_site, *(case.site for case in study.cases)} - {site}
    if name_key(name) in map(name_key, others):
        raise UserError(f"There is a site {name!r} already.", "Give its name to the cases that belong to it.")
    cases = tuple(dataclasses.replace(case, site=name) if case.site == site else case for case in study.cases)
    local = name if study.local_site == site else study.local_site
    return dataclasses.replace(study, cases=cases, local_site=local)


def _one_line(name: str, advice: str) -> str:
    """Return a name as it is kept; raises UserError with the advice when it cannot be shown in a line."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name.isprintable() or len(name) > MAX_NAME:
        raise UserError(_UNUSABLE, advice)
    return name
