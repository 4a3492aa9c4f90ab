"""The studies of a sweep: one for each label count, all with the same test cases.

FOLDER/labeled-7         the first 7 labeled, the rest of the training list unlabeled
FOLDER/labeled-7-sites   the same with simulated other sites, for the methods that need them
FOLDER/labeled-7-public  the same again, for the public loops
FOLDER/labeled-7-draw-1  another draw of 7 labeled ones; also with -sites and -public
FOLDER/source            of a phantom and the left atrium: the study that the others take their images from
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.files import write_error
from SemiSupervisedSegLib.study.layout import StudyFolder
from SemiSupervisedSegLib.study.model import Case, Role, Study
from SemiSupervisedSegLib.study.store import create_study, load_study, save_study

from . import acdc_study, left_atrium
from .draws import drawn
from .protocol import MethodRow, Protocol

SOURCE = "source"
COUNTED = {"acdc": "patients", "left_atrium": "scans", "phantom": "cases", "study": "cases"}
"""What the label counts of a protocol are numbers of, by the kind of its data."""
_UNFINISHED = ".unfinished-"


def study_name(protocol: Protocol, row: MethodRow, labeled: int, draw: int = 0) -> str:
    """The folder of the study that a row of the protocol is trained on."""
    name = f"labeled-{labeled}-draw-{draw}" if draw else f"labeled-{labeled}"
    if row.loop == "public":
        # Jobs do not say which loop trained them, so that the rounds of each have a study of their own.
        return f"{name}-public"
    return f"{name}-sites" if _in_own_sites(protocol, row) else name


def make_studies(protocol: Protocol, data: Path | None, folder: Path) -> dict[str, Study]:
    """Make the studies of a protocol that are not there yet, and load all of them, by the names of their folders.

    Args:
        protocol: says which.
        data: the data set, or an existing study; None for a phantom.
        folder: of the sweep.

    Raises:
        UserError: the data cannot be used, or there are fewer labeled cases than the protocol wants.
    """
    if protocol.data.kind in ("phantom", "left_atrium"):
        _make(folder / SOURCE, lambda place: _write_source(protocol, data, place))
        data = folder / SOURCE
    studies = {}
    for draw, labeled, row in itertools.product(protocol.draws, protocol.labeled, protocol.methods):
        name = study_name(protocol, row, labeled, draw)
        if name in studies:
            continue
        sites = protocol.data.sites == "simulated" or _in_own_sites(protocol, row)
        write = functools.partial(_import, protocol, data, labeled=labeled, draw=draw, sites=sites)
        _make(folder / name, write)
        studies[name] = load_study(folder / name)
        _check_structures(protocol, studies[name])
    return studies


def derive_study(source: Study, folder: Path, labeled: int, name: str, draw: int = 0) -> Study:
    """Make a study of the images of another one, in which only its first labeled cases are labeled, or others drawn.

    Its further labeled cases are unlabeled and come without their annotation; all other cases stay as they are.

    Raises:
        UserError: it has fewer labeled cases, or no others to draw, or the study cannot be written.
    """
    available = [case.id for case in source.cases_of(Role.LABELED)]
    if labeled > len(available):
        raise UserError(f"{labeled} cases cannot be labeled.", f"{source.folder} has {len(available)} labeled cases.")
    if draw and labeled == len(available):
        raise UserError(
            f"There is no draw {draw} of {labeled} labeled cases, because {source.folder} has no others.",
            "Leave draws out of the protocol, label fewer cases, or begin in another folder.",
        )
    kept = set(drawn(available, draw)[:labeled])
    cases = [_derived(source, case, case.id in kept) for case in source.cases if case.role is not Role.IGNORED]
    study = create_study(folder, name, source.modality, source.local_site, source.structures)
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def _derived(source: Study, case: Case, keeps_label: bool) -> Case:
    annotation = source.annotation_path(case)
    paths = {"image": str(source.image_path(case)), "annotation": None if annotation is None else str(annotation)}
    if case.role is Role.LABELED and not keeps_label:
        return dataclasses.replace(case, image=paths["image"], role=Role.UNLABELED, annotation=None, structures=None)
    return dataclasses.replace(case, **paths)


def _in_own_sites(protocol: Protocol, row: MethodRow) -> bool:
    needs = load_catalogue().method(row.method).streams
    return protocol.data.kind == "acdc" and protocol.data.sites == "as needed" and "external" in needs


def _given(protocol: Protocol, data: Path | None) -> Path:
    if data is None:
        raise UserError(f"The protocol {protocol.name} needs data.", "Name its folder with --data.")
    return Path(os.path.abspath(data))


def _import(protocol: Protocol, data: Path | None, folder: Path, *, labeled: int, draw: int, sites: bool) -> None:
    source = _given(protocol, data)
    if protocol.data.kind == "acdc":
        acdc_study.make_study(source, folder, labeled, sites, draw)
    else:
        derive_study(load_study(source), folder, labeled, f"{protocol.name}, {labeled} labeled", draw)


def _write_source(protocol: Protocol, data: Path | None, folder: Path) -> None:
    # What is labeled in another draw needs its annotation.
    redrawn = any(protocol.draws)
    labeled = max(protocol.labeled)
    if protocol.data.kind == "left_atrium":
        place = _given(protocol, data)
        left_atrium.make_study(place, folder, left_atrium.training_scans(place) if redrawn else labeled)
        return
    wanted = protocol.data.phantom
    counts = {name: getattr(wanted, name) for name in ("external", "validation", "structures", "seed")}
    labeled, unlabeled = (labeled + wanted.unlabeled, 0) if redrawn else (labeled, wanted.unlabeled)
    generate_study(folder, name=protocol.name, labeled=labeled, unlabeled=unlabeled, size=wanted.size, **counts)


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    """Make a study completely or not at all: written under another name first."""
    if StudyFolder(folder).exists():
        return
    unfinished = folder.with_name(_UNFINISHED + folder.name)
    # Left behind when an earlier attempt was cut off.
    shutil.rmtree(unfinished, ignore_errors=True)
    write(unfinished)
    try:
        unfinished.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error


def _check_structures(protocol: Protocol, study: Study) -> None:
    names = [structure.name for structure in study.structures]
    unknown = [name for name in protocol.structures if name not in names]
    if unknown:
        raise UserError(
            f"The protocol {protocol.name} names the structure {unknown[0]!r}, which the data do not have.",
            f"Choose from: {', '.join(names)}.",
        )
