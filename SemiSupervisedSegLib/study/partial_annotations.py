"""Cases that are annotated for some of the study's structures only, as users name them and as checks find them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from .errors import UserError
from .model import Role, Structure, name_key

SEPARATOR = "+"
ALL = "all"
_MOST_NAMES = 5


class AnnotatedCase(Protocol):
    """What describes a partially annotated case, in a study as in a job."""

    @property
    def id(self) -> str:
        """Id of the case."""

    @property
    def role(self) -> Role:
        """Role of the case."""

    @property
    def structures(self) -> tuple[str, ...] | None:
        """Names of the annotated structures, None for all."""


def case_structures(structures: Sequence[Structure], selection: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names of a case's annotated structures in the study's order; None for all of them.

    Args:
        structures: Structures of the study.
        selection: Names in any case of letters, or a text such as "chamber+wall" or "all"; None or nothing is all.

    Raises:
        UserError: A name is no structure of the study.
    """
    by_name = {name_key(structure.name): structure.name for structure in structures}
    if isinstance(selection, str):
        selection = [selection] if name_key(selection) in by_name else selection.split(SEPARATOR)
    keys = [name_key(name) for name in selection or ()]
    if not any(keys) or (keys == [ALL] and ALL not in by_name):
        return None
    unknown = [key for key in keys if key not in by_name]
    if unknown:
        raise UserError(
            f"The study has no structure {unknown[0]!r}.",
            f"Name some of its structures, with {SEPARATOR} between: {', '.join(by_name.values())}; or {ALL}.",
        )
    chosen = tuple(name for key, name in by_name.items() if key in keys)
    return None if len(chosen) == len(by_name) else chosen


def check_fully_annotated(cases: Iterable[AnnotatedCase], method_title: str) -> None:
    """Raise UserError when a labeled case is not annotated for all structures, for a method that needs it.

    Such a method would learn that structures which are not annotated are background.
    """
    partial = [case.id for case in cases if case.role == Role.LABELED and case.structures is not None]
    if partial:
        names = ", ".join(partial[:_MOST_NAMES]) + (" and others" if len(partial) > _MOST_NAMES else "")
        raise UserError(
            f"{method_title} needs annotations of all structures, and these labeled cases have some only: {names}.",
            "Choose UniSeMi, which learns from partial annotations, or make a study of a single structure with the "
            "cases that are annotated for it.",
        )
