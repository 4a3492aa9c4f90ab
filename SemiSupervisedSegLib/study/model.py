"""The study: cases with a site and a role, and the structures that are segmented in them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .errors import UserError
from .json_reader import Reader
from .layout import StudyFolder
from .paths import path_in

SCHEMA_VERSION = 3
"""What this program reads up to; see `Study.to_dict` for what it writes."""
MAX_LABEL = 255
MAX_NAME = 200
"""Characters that a name may have."""
CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def name_key(name: str) -> str:
    """Return what all spellings of a name have in common: capital or small, composed or not, with blanks or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


class Role(StrEnum):
    """What a case is used for."""

    LABELED = "labeled"
    UNLABELED = "unlabeled"
    VALIDATION = "validation"
    IGNORED = "ignored"

    @property
    def needs_annotation(self) -> bool:
        """Whether cases of this role are of no use without an annotation."""
        return self in (Role.LABELED, Role.VALIDATION)


class Modality(StrEnum):
    """How the images of a study were taken; decides how intensities are normalised."""

    MR = "MR"
    CT = "CT"


@dataclass(frozen=True)
class Structure:
    """Something that is segmented: a name, its value in labelmaps (1 to 255), a colour, optionally a terminology."""

    name: str
    label: int
    color: tuple[int, int, int]
    terminology: str | None = None


@dataclass(frozen=True)
class Case:
    """An image; paths are in POSIX form, relative to the study folder or absolute.

    Attributes:
        structures: Names of the annotated structures, where these are not all; what is background in the annotation is
            not known for the remaining ones. For a case without annotation, the structures it was acquired for. None
            for all.
        name: Name to show, None to show the id. It can be that of a patient: the panel shows it, while files, jobs,
            reports and messages have the id.
    """

    id: str
    image: str
    site: str
    role: Role
    annotation: str | None = None
    structures: tuple[str, ...] | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """The name that is shown: the name of the case, or its id."""
        return self.name or self.id


@dataclass(frozen=True)
class Study:
    """All cases of one task; class index i in 1..N of every class map is `structures[i - 1]`, 0 is background."""

    folder: Path
    name: str
    modality: Modality
    local_site: str
    structures: tuple[Structure, ...]
    cases: tuple[Case, ...] = ()

    @property
    def layout(self) -> StudyFolder:
        """The places in the folder of the study."""
        return StudyFolder(self.folder)

    @property
    def num_classes(self) -> int:
        """The number of classes with the background."""
        return 1 + len(self.structures)

    def case(self, case_id: str) -> Case:
        """Return the case with this id; raises UserError when there is none."""
        for case in self.cases:
            if case.id == case_id:
                return case
        raise UserError(f"The study has no case {case_id!r}.", "The command `study show` lists the cases.")

    def title_of(self, case_id: str) -> str:
        """Return the title of a case, its id when the study does not have it any more."""
        return next((case.title for case in self.cases if case.id == case_id), case_id)

    def cases_of(self, role: Role) -> tuple[Case, ...]:
        """Return all cases of one role, in the order of the study."""
        return tuple(case for case in self.cases if case.role == role)

    def is_external(self, case: Case) -> bool:
        """Return whether the case comes from another site than the local one."""
        return case.site != self.local_site

    def structures_of(self, case: Case) -> tuple[Structure, ...]:
        """Return the structures that a case is annotated for."""
        return tuple(item for item in self.structures if case.structures is None or item.name in case.structures)

    def image_path(self, case: Case) -> Path:
        """Return the path of a case's image."""
        return path_in(self.folder, case.image)

    def annotation_path(self, case: Case) -> Path | None:
        """Return the path of a case's annotation, None if it has none."""
        return None if case.annotation is None else path_in(self.folder, case.annotation)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of study.json.

        The format is 3 where a case has a name, 2 where one names its structures and 1 otherwise, so that older
        programs still open what they understand, and ask for an update where they would take unknown structures for
        background or lose a name.
        """
        named, partial = (
            any(getattr(case, field) is not None for case in self.cases) for field in ("name", "structures")
        )
        return {
            "schema_version": 3 if named else 2 if partial else 1,
            "name": self.name,
            "modality": self.modality.value,
            "local_site": self.local_site,
            "structures": [structure_to_dict(structure) for structure in self.structures],
            "cases": [_case_to_dict(case) for case in self.cases],
        }

    @classmethod
    def from_dict(cls, folder: Path | str, data: Any, advice: str = "Choose another value.") -> Study:
        """Return the study in `folder` from the content of its study.json.

        Args:
            folder: Folder of the study.
            data: Content of study.json.
            advice: Sentence that says where a wrong value is corrected.

        Raises:
            UserError: A value is missing, unexpected or occurs twice.
        """
        top = Reader(data, "The study", advice)
        version = top.integer("schema_version", 1)
        if version > SCHEMA_VERSION:
            raise UserError(
                f"The study was saved by a newer version of this program (format {version}, known up to "
                f"{SCHEMA_VERSION}).",
                "Update the program to open it.",
            )
        study = cls(
            folder=Path(folder),
            name=top.text("name"),
            modality=top.choice("modality", Modality),
            local_site=top.text("local_site"),
            structures=tuple(_read_structure(item) for item in top.items("structures", "structure", "name")),
            cases=tuple(_read_case(item) for item in top.items("cases", "case", "id")),
        )
        top.finish()
        _check_unique(study)
        _check_structures(study)
        return study


def is_absolute(path: str) -> bool:
    """Return whether a stored path is absolute on any system; a study may come from another one."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def structure_to_dict(structure: Structure) -> dict[str, Any]:
    """Return the entry of a structure in study.json."""
    entry = {"name": structure.name, "label": structure.label, "color": list(structure.color)}
    return entry if structure.terminology is None else entry | {"terminology": structure.terminology}


def _case_to_dict(case: Case) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": case.id, "image": case.image, "site": case.site, "role": case.role.value}
    if case.annotation is not None:
        entry["annotation"] = case.annotation
    if case.structures is not None:
        entry["structures"] = list(case.structures)
    return entry if case.name is None else entry | {"name": case.name}


def _read_structure(item: Reader) -> Structure:
    structure = Structure(
        name=item.text("name"),
        label=item.integer("label", 1, MAX_LABEL),
        color=item.color("color"),
        terminology=item.optional_text("terminology", maximum=2000),
    )
    item.finish()
    return structure


def _read_case(item: Reader) -> Case:
    case = Case(
        id=item.text("id"),
        image=item.path("image"),
        site=item.text("site"),
        role=item.choice("role", Role),
        annotation=item.optional_path("annotation"),
        structures=item.optional_texts("structures"),
        name=item.optional_text("name", maximum=MAX_NAME),
    )
    item.finish()
    if not CASE_ID.fullmatch(case.id):
        raise UserError(
            f"The case id {case.id!r} cannot be used.",
            "An id starts with a letter or digit and has up to 100 letters, digits, dots, underscores and hyphens.",
        )
    for path in (case.image, case.annotation):
        if path is not None and not is_absolute(path):
            _check_plain(case.id, path)
    return case


def _check_plain(case_id: str, path: str) -> None:
    # Files beside the study folder are named from it; any other way out and in again is none that this program writes.
    inner = re.sub(r"^(\.\./)+", "", path)
    if ".." in re.split(r"[/\\]", inner) or PureWindowsPath(path).drive:
        raise UserError(
            f"The path {path!r} of case {case_id} leads out of the study folder on a way of its own.",
            "Use a path inside the study folder, an absolute path, or one with .. at its beginning only.",
        )


def _check_structures(study: Study) -> None:
    names = [structure.name for structure in study.structures]
    for case in study.cases:
        annotated = names if case.structures is None else case.structures
        unknown = [name for name in annotated if name not in names]
        if unknown or not annotated or len(set(annotated)) < len(annotated):
            what = (
                f"names the structure {unknown[0]!r}, which the study does not have"
                if unknown
                else ("names a structure twice" if annotated else "names no structure")
            )
            raise UserError(f"The case {case.id} {what}.", f"Name some of: {', '.join(names)}.")


def _check_unique(study: Study) -> None:
    if not study.structures:
        raise UserError("The study has no structure.", "Name at least one structure to segment.")
    keys: list[tuple[str, list[str] | list[int]]] = [
        ("structure name", [name_key(structure.name) for structure in study.structures]),
        ("label value", [structure.label for structure in study.structures]),
        ("case id", [case.id.casefold() for case in study.cases]),
    ]
    for what, values in keys:
        seen = set()
        for value in values:
            if value in seen:
                raise UserError(f"The {what} {value} occurs twice in the study.", f"Give every {what} only once.")
            seen.add(value)
