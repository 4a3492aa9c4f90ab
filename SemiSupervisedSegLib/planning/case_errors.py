"""Errors of a case's files that say which case it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..study.errors import UserError


@contextmanager
def naming_case(case_id: str) -> Iterator[None]:
    """Add the case's name to every UserError of the block that does not name one."""
    try:
        yield
    except UserError as error:
        if f"ase {case_id}" in error.message:
            raise
        raise UserError(f"Case {case_id}: {error.message}", error.advice) from error
