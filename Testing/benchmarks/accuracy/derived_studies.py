"""Studies of the images of other studies, in which some of the labeled cases are labeled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Case, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

from .data_sets import data_set
from .draws import drawn


def derive_study(source: Study, folder: Path, labeled: int, name: str, draw: int = 0) -> Study:
    """Make a study of the images of another one, in which only its first labeled cases are labeled, or others drawn.

    Its further labeled cases are unlabeled and come without their annotation; all other cases stay as they are.

    Raises:
        UserError: it has fewer labeled cases, or no others to draw, or the study cannot be written.
    """
    cases = _derived_cases(source, labeled, draw)
    return _write(folder, name, source, source.structures, cases)


def join_studies(
    sources: Mapping[str, Study], folder: Path, labeled: Mapping[str, int], name: str, draw: int = 0, unlabeled: int = 0
) -> Study:
    """Make a study of the images of one or several public data sets; of several, each case is annotated for its own.

    Args:
        sources: prepared studies by the name of their data set.
        folder: of the new study.
        labeled: how many are labeled, cases or patients as the data set counts them, by its name.
        name: of the new study.
        draw: which ones.
        unlabeled: how many of the training list are unlabeled, the next ones after the labeled ones; all others when 0.

    Raises:
        UserError: there are fewer, or no others to draw, or the study cannot be written.
    """
    cases, structures = [], []
    for set_name, source in sources.items():
        own = _derived_cases(source, labeled[set_name], draw, data_set(set_name).unit, unlabeled)
        if len(sources) > 1:
            shown = tuple(structure.name for structure in source.structures)
            own = [dataclasses.replace(case, structures=shown) for case in own]
        cases += own
        structures += source.structures
    first = next(iter(sources.values()))
    return _write(folder, name, first, tuple(structures), cases)


def without_other_sites(study: Study) -> Study:
    """The study without the unlabeled images of other sites; test cases of other sites stay."""
    kept = [case for case in study.cases if case.role is not Role.UNLABELED or not study.is_external(case)]
    return dataclasses.replace(study, cases=tuple(kept))


def _write(folder: Path, name: str, like: Study, structures: tuple[Structure, ...], cases: list[Case]) -> Study:
    study = create_study(folder, name, like.modality, like.local_site, structures)
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def _derived_cases(
    source: Study, labeled: int, draw: int, unit: Callable[[str], str] = str, unlabeled: int = 0
) -> list[Case]:
    """The cases of a source that are used, with their new roles; `unit` says which of them count as one."""
    available = list(dict.fromkeys(unit(case.id) for case in source.cases_of(Role.LABELED)))
    if labeled + unlabeled > len(available):
        wanted = f"{labeled} cases cannot be labeled" + (f" and {unlabeled} unlabeled" if unlabeled else "")
        raise UserError(f"{wanted}.", f"{source.folder} has {len(available)} labeled cases.")
    if draw and labeled == len(available):
        raise UserError(
            f"There is no draw {draw} of {labeled} labeled cases, because {source.folder} has no others.",
            "Leave draws out of the protocol, label fewer cases, or begin in another folder.",
        )
    order = drawn(available, draw)
    kept, dropped = set(order[:labeled]), set(order[labeled + unlabeled :] if unlabeled else [])
    return [
        _derived(source, case, unit(case.id) in kept)
        for case in source.cases
        if case.role is not Role.IGNORED and not (case.role is Role.LABELED and unit(case.id) in dropped)
    ]


def _derived(source: Study, case: Case, keeps_label: bool) -> Case:
    annotation = source.annotation_path(case)
    paths = {"image": str(source.image_path(case)), "annotation": None if annotation is None else str(annotation)}
    if case.role is Role.LABELED and not keeps_label:
        return dataclasses.replace(case, image=paths["image"], role=Role.UNLABELED, annotation=None, structures=None)
    return dataclasses.replace(case, **paths)
