"""Changes to cases of a study, such as a corrected prediction that becomes an annotation: all of them or none.

The caller holds the study's lock from loading to saving.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from .adding import stored_path
from .checks import check_case
from .errors import UserError
from .model import Role, Study
from .partial_annotations import case_structures
from .store import save_study


def change_cases(
    study: Study,
    case_ids: Iterable[str],
    *,
    role: Role | str | None = None,
    site: str | None = None,
    annotation: Path | str | None = None,
    structures: str | Iterable[str] | None = None,
) -> Study:
    """Give cases another role, site, annotation or structures that they are annotated for, check them, and save.

    None leaves a value as it is; `structures` as in `partial.case_structures`, where "all" or all names stand for all.

    Raises:
        UserError: there is no such case, the annotation does not fit its image, or the study cannot be saved.
    """
    changes: dict[str, object] = {}
    if role is not None:
        changes["role"] = Role(role)
    if site is not None:
        changes["site"] = site
    if annotation is not None:
        changes["annotation"] = stored_path(study, annotation)
    if structures is not None:
        changes["structures"] = case_structures(study.structures, structures)
    if not changes:
        raise UserError("Nothing was changed.", "Name a new role, site, annotation or structures.")
    wanted = {study.case(case_id).id for case_id in case_ids}
    cases = tuple(dataclasses.replace(case, **changes) if case.id in wanted else case for case in study.cases)
    changed = dataclasses.replace(study, cases=cases)
    for case in cases:
        if case.id in wanted:
            check_case(changed, case)
    save_study(changed)
    return changed
