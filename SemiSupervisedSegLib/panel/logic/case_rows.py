"""The rows of the table of cases: what they say, and how they are filtered and sorted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ...jobs.folder import JobFolder
from ...jobs.results import read_summary
from ...study.errors import UserError
from ...study.model import Case, Role, Study
from .decisions import read_decisions

_OK = "ok"


@dataclass(frozen=True)
class CaseFiles:
    """What the files of a case say.

    Attributes:
        image_missing: Whether the image is missing from the path in the study.
        annotation_missing: Whether the annotation is missing from the path in the study.
        uncertainty: Uncertainty of the round under review from 0 to 1, None when it has not segmented the case.
        verdict: Decision of the user on the result of that round, empty before one is made.
    """

    image_missing: bool = False
    annotation_missing: bool = False
    uncertainty: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class CaseRow:
    """One row of the table, every cell in words."""

    case: Case
    files: CaseFiles | None

    @property
    def image(self) -> str:
        """The title of the case."""
        return self.case.title

    @property
    def annotation(self) -> str:
        """Whether there is an annotation, and whether it has all structures."""
        if self.case.annotation is None:
            return "–"
        return "yes" if self.case.structures is None else "partly"

    @property
    def uncertainty(self) -> str:
        """Uncertainty in percent."""
        value = None if self.files is None else self.files.uncertainty
        return "–" if value is None else f"{100 * value:.0f} %"

    @property
    def status(self) -> str:
        """What is wrong with the files, or how far the case is."""
        if self.files is None:
            return "…"
        if self.is_missing:
            return "missing"
        return self.files.verdict or ("result" if self.files.uncertainty is not None else _OK)

    @property
    def details(self) -> str:
        """The status in a sentence, empty when it says all."""
        if self.files is None:
            return "The files have not been checked yet."
        if self.files.image_missing:
            return f"The image {self.case.image} is not there any more."
        if self.files.annotation_missing:
            return f"The annotation {self.case.annotation} is not there any more."
        return "" if self.files.uncertainty is None else "The round under review has segmented this image."

    @property
    def is_missing(self) -> bool:
        """Whether a file is not there."""
        return self.files is not None and (self.files.image_missing or self.files.annotation_missing)

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Image, site, role, annotation, uncertainty and status."""
        return (self.image, self.case.site, self.case.role.value, self.annotation, self.uncertainty, self.status)

    def matches(self, words: Iterable[str], role: Role | None) -> bool:
        """Return whether every word (lower case) is in the name, the id, the site or the status, and the role fits."""
        if role is not None and self.case.role is not role:
            return False
        text = f"{self.case.title} {self.case.id} {self.case.site} {self.status}".casefold()
        return all(word in text for word in words)


def arrange(
    rows: Iterable[CaseRow], *, text: str = "", role: Role | None = None, column: int = -1, descending: bool = False
) -> list[CaseRow]:
    """Filter rows by words and role, and sort them by a column; -1 is the order of the study."""
    words = text.casefold().split()
    matching = [row for row in rows if row.matches(words, role)]
    if column < 0:
        return matching
    return sorted(matching, key=lambda row: _sort_key(row, column), reverse=descending)


def look_at_files(study: Study, folder: JobFolder | None) -> Iterator[tuple[str, CaseFiles]]:
    """Check the files of every case, and yield the results case by case."""
    verdicts = {} if folder is None else _verdicts(folder)
    for case in study.cases:
        annotation = study.annotation_path(case)
        yield (
            case.id,
            CaseFiles(
                image_missing=not study.image_path(case).exists(),
                annotation_missing=annotation is not None and not annotation.exists(),
                uncertainty=None if folder is None else _uncertainty(folder, case.id),
                verdict=verdicts.get(case.id, ""),
            ),
        )


def rows_of(study: Study | None, files: Mapping[str, CaseFiles]) -> list[CaseRow]:
    """Return one row for each case, in the order of the study."""
    return [] if study is None else [CaseRow(case, files.get(case.id)) for case in study.cases]


def _sort_key(row: CaseRow, column: int) -> tuple[float, str]:
    if column == 4:
        value = None if row.files is None else row.files.uncertainty
        return (-1.0 if value is None else value, row.image.casefold())
    # Missing files come together, before everything else.
    return (0.0 if column == 5 and row.is_missing else 1.0, f"{row.cells[column].casefold()} {row.image.casefold()}")


def _verdicts(folder: JobFolder) -> dict[str, str]:
    # The section Review says what is wrong with a damaged file; here it only has nothing to show.
    with contextlib.suppress(UserError):
        return {case_id: decision.verdict for case_id, decision in read_decisions(folder).items()}
    return {}


def _uncertainty(folder: JobFolder, case_id: str) -> float | None:
    try:
        return read_summary(folder.predictions / case_id).uncertainty
    except UserError:
        return None
