"""Names that go to another machine in place of those of cases, sites and the study."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from ...study.errors import UserError
from ..spec import JobSpec

_TOKEN = re.compile(r"[0-9a-f]{12}")
Escape = Callable[[str], str]


def new_token() -> str:
    """Return a random name of a job on another machine, which says nothing of the job."""
    return secrets.token_hex(6)


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms of one job; each contains its token, so that it occurs in no text by chance.

    Numbers follow the alphabetical order of the names, so that whatever is sorted there is sorted as here.

    Attributes:
        token: Name of the job there.
        originals: The name of the study, and each case and site, by its pseudonym.
    """

    token: str
    originals: dict[str, str]

    @classmethod
    def of(cls, spec: JobSpec, token: str) -> Pseudonyms:
        """Return pseudonyms for everything in a job that the user named, but its structures."""
        kinds: dict[str, Iterable[str]] = {
            "case": (case.id for case in spec.cases),
            "site": (case.site for case in spec.cases),
            "study": (spec.study_name,),
        }
        pairs = (
            (f"{kind}-{token}-{number:05d}", name)
            for kind, names in kinds.items()
            for number, name in enumerate(sorted(set(names)), start=1)
        )
        return cls(token, dict(pairs))

    @cached_property
    def _pseudonyms(self) -> dict[tuple[str, str], str]:
        return {(pseudonym.split("-", 1)[0], name): pseudonym for pseudonym, name in self.originals.items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?:case|site|study)-{self.token}-\d{{5}}")

    def case(self, case_id: str) -> str:
        """Return the pseudonym of a case."""
        return self._pseudonyms["case", case_id]

    def original(self, pseudonym: str) -> str:
        """Return what a pseudonym stands for; raises UserError for one that was never given."""
        try:
            return self.originals[pseudonym]
        except KeyError as error:
            raise UserError(
                f"The other machine sent results of {pseudonym!r}, which is no case of this round.",
                "Nothing of it was taken over. Train in a new round.",
            ) from error

    def hide(self, spec: JobSpec) -> JobSpec:
        """Return a job with pseudonyms; its paths are still those of this computer."""
        cases = (replace(case, id=self.case(case.id), site=self._pseudonyms["site", case.site]) for case in spec.cases)
        return replace(
            spec,
            study_name=self._pseudonyms["study", spec.study_name],
            cases=tuple(cases),
            preview_cases=tuple(map(self.case, spec.preview_cases)),
        )

    def restore(self, text: str, escape: Escape = str) -> str:
        """Return a text with the names in place of their pseudonyms, escaped as the text needs it."""
        return self._pattern.sub(lambda match: escape(self.originals.get(match[0], match[0])), text)

    def check(self) -> None:
        """Raise ValueError for a token that was not made by this program."""
        if not _TOKEN.fullmatch(self.token):
            raise ValueError("the token is damaged")


def in_json(name: str) -> str:
    """Escape a name for a string of JSON in ASCII."""
    return json.dumps(name)[1:-1]


def in_unicode_json(name: str) -> str:
    """Escape a name for a string of JSON with Unicode letters."""
    return json.dumps(name, ensure_ascii=False)[1:-1]


def in_html(name: str) -> str:
    """Escape a name for a page."""
    return html.escape(name)
