"""Changes to many cases at once that need no look into their files: all of them or none.

The caller holds the study's lock and saves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from .errors import UserError
from .model import Role, Study


def assign_cases(
    study: Study, case_ids: Iterable[str], *, role: Role | str | None = None, site: str | None = None
) -> Study:
    """The study with another role or site for these cases; None leaves a value as it is.

    Raises UserError for an unknown case, and when a case without annotation would become labeled or validation.
    """
    wanted = _known(study, case_ids)
    changes = {} if role is None else {"role": Role(role)}
    if site is not None:
        changes["site"] = site
    bare = [case.id for case in study.cases if case.id in wanted and case.annotation is None]
    if bare and changes.get("role") in (Role.LABELED, Role.VALIDATION):
        raise UserError(
            f"{bare[0]} has no annotation" + (f", and {len(bare) - 1} more have none." if len(bare) > 1 else "."),
            f"Annotate it first, then give it the role {changes['role'].value}.",
        )
    cases = tuple(dataclasses.replace(case, **changes) if case.id in wanted else case for case in study.cases)
    return dataclasses.replace(study, cases=cases)


def remove_cases(study: Study, case_ids: Iterable[str]) -> Study:
    """The study without these cases; their files stay. Raises UserError for an unknown case."""
    unwanted = _known(study, case_ids)
    return dataclasses.replace(study, cases=tuple(case for case in study.cases if case.id not in unwanted))


def _known(study: Study, case_ids: Iterable[str]) -> set[str]:
    wanted, known = set(case_ids), {case.id for case in study.cases}
    for case_id in sorted(wanted - known):
        # Says that there is no such case.
        study.case(case_id)
    return wanted
