"""Cases that a trained model is applied to and no training takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from ...study.model import Case, Role, Study
from .new_cases import make_cases


def cases_to_apply_to(study: Study, images: Iterable[Path], site: str) -> tuple[Case, ...]:
    """Return new cases for images that the study does not have yet; their role keeps them out of trainings."""
    return tuple(dataclasses.replace(case, role=Role.IGNORED) for case in make_cases(study, images, site))
