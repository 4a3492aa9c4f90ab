"""The studies of a sweep: one for each label count, all with the same test cases.

FOLDER/labeled-7         the first 7 labeled, the rest of the training list unlabeled
FOLDER/labeled-7-sites   the same with simulated other sites, for the methods that need them
FOLDER/labeled-7-public  the same again, for the public loops
FOLDER/labeled-7-draw-1  another draw of 7 labeled ones; also with -sites and -public
FOLDER/labeled-7-of-kits19       of several data sets: rows that are trained on some of them
FOLDER/labeled-7-unlabeled-24    rows that are trained with fewer unlabeled cases than there are
FOLDER/labeled-7-own-site        rows that are trained without images of other sites
FOLDER/source            of a phantom and the left atrium: the study that the others take their images from
FOLDER/source-kits19     the same of each public data set (`import_images.py`)
"""

from __future__ import annotations

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
from SemiSupervisedSegLib.study.model import Study
from SemiSupervisedSegLib.study.store import load_study, save_study

from . import acdc_study, import_images, left_atrium
from .data_sets import data_set
from .derived_studies import derive_study, join_studies, without_other_sites
from .protocol_model import MethodRow, Protocol

SOURCE = "source"
_COUNTED = {"acdc": "patients", "left_atrium": "scans", "phantom": "cases", "study": "cases"}
_UNFINISHED = ".unfinished-"


def study_name(protocol: Protocol, row: MethodRow, labeled: int, draw: int = 0) -> str:
    """The folder of the study that a row of the protocol is trained on."""
    name = f"labeled-{labeled}-draw-{draw}" if draw else f"labeled-{labeled}"
    if not row.other_sites:
        name = f"{name}-own-site"
    if row.loop == "public":
        # Jobs do not say which loop trained them, so that the rounds of each have a study of their own.
        return f"{name}-public"
    if (sets := protocol.sets_of(row)) != protocol.data.sets:
        name = f"{name}-of-{'-'.join(sets)}"
    if row.unlabeled:
        name = f"{name}-unlabeled-{row.unlabeled}"
    return f"{name}-sites" if _in_own_sites(protocol, row) else name


def counted(protocol: Protocol) -> str:
    """What the label counts of a protocol are numbers of."""
    kind = protocol.data.kind
    return data_set(protocol.data.sets[0]).counted if kind == "sets" else _COUNTED[kind]


def make_studies(protocol: Protocol, data: Path | None, folder: Path) -> dict[str, Study]:
    """Make the studies of a protocol that are not there yet, and load all of them, by the names of their folders.

    Args:
        protocol: says which.
        data: the data set, or an existing study; of several sets a folder with one of them each; None for a phantom.
        folder: of the sweep.

    Raises:
        UserError: the data cannot be used, or there are fewer labeled cases than the protocol wants.
    """
    if protocol.data.kind in ("phantom", "left_atrium"):
        _make(folder / SOURCE, lambda place: _write_source(protocol, data, place))
        data = folder / SOURCE
    sources = {name: _source_of(protocol, name, data, folder) for name in protocol.data.sets}
    studies = {}
    for draw, labeled in itertools.product(protocol.draws, protocol.counts):
        for row in protocol.rows_at(labeled):
            name = study_name(protocol, row, labeled, draw)
            if name in studies:
                continue
            write = functools.partial(_import, protocol, data, sources, row=row, labeled=labeled, draw=draw)
            _make(folder / name, write)
            studies[name] = load_study(folder / name)
            _check_structures(protocol, studies[name], row)
    return studies


def _in_own_sites(protocol: Protocol, row: MethodRow) -> bool:
    needs = load_catalogue().method(row.method).streams
    return protocol.data.kind == "acdc" and protocol.data.sites == "as needed" and "external" in needs


def _given(protocol: Protocol, data: Path | None) -> Path:
    if data is None:
        raise UserError(f"The protocol {protocol.name} needs data.", "Name its folder with --data.")
    return Path(os.path.abspath(data))


def _import(
    protocol: Protocol,
    data: Path | None,
    sources: dict[str, Study],
    folder: Path,
    *,
    row: MethodRow,
    labeled: int,
    draw: int,
) -> None:
    title = f"{protocol.name}, {labeled} labeled"
    if sources:
        chosen = {name: sources[name] for name in protocol.sets_of(row)}
        numbers = {name: _labeled_of(protocol, name, labeled) for name in chosen}
        study = join_studies(chosen, folder, numbers, title, draw, row.unlabeled)
    elif protocol.data.kind == "acdc":
        study = _acdc(protocol, _given(protocol, data), folder, row, labeled, draw)
    else:
        study = derive_study(load_study(_given(protocol, data)), folder, labeled, title, draw)
    if not row.other_sites:
        save_study(without_other_sites(study))


def _acdc(protocol: Protocol, data: Path, folder: Path, row: MethodRow, labeled: int, draw: int) -> Study:
    sites = protocol.data.sites
    simulated = sites in ("simulated", "simulated and tested") or _in_own_sites(protocol, row)
    return acdc_study.make_study(data, folder, labeled, simulated, draw, sites == "simulated and tested")


def _labeled_of(protocol: Protocol, name: str, labeled: int) -> int:
    """The label count of one of several sets."""
    own = protocol.data.labeled.get(name)
    return labeled if own is None else own[protocol.labeled.index(labeled)]


def _source_of(protocol: Protocol, name: str, data: Path | None, folder: Path) -> Study:
    """The prepared study of a public data set: the given one, or one that is made of its files."""
    given, wanted = _given(protocol, data), protocol.data
    place = given if len(wanted.sets) == 1 else given / name
    if StudyFolder(place).exists():
        return load_study(place)
    local_site = wanted.local_site if data_set(name).sites else ""
    show = import_images.show_progress
    write = functools.partial(import_images.make_study, name, place)
    test = wanted.test.get(name, 0)
    _make(folder / f"{SOURCE}-{name}", lambda target: write(target, local_site, test, show))
    return load_study(folder / f"{SOURCE}-{name}")


def _write_source(protocol: Protocol, data: Path | None, folder: Path) -> None:
    # What is labeled in another draw needs its annotation.
    redrawn = any(protocol.draws)
    labeled = max(protocol.counts)
    if protocol.data.kind == "left_atrium":
        place = _given(protocol, data)
        left_atrium.make_study(place, folder, left_atrium.training_scans(place) if redrawn else labeled)
        return
    wanted = protocol.data.phantom
    names = ("external", "external_validation", "validation", "structures", "seed")
    counts = {name: getattr(wanted, name) for name in names}
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


def _check_structures(protocol: Protocol, study: Study, row: MethodRow) -> None:
    if protocol.sets_of(row) != protocol.data.sets:
        # It has some of them only.
        return
    names = [structure.name for structure in study.structures]
    unknown = [name for name in protocol.structures if name not in names]
    if unknown:
        raise UserError(
            f"The protocol {protocol.name} names the structure {unknown[0]!r}, which the data do not have.",
            f"Choose from: {', '.join(names)}.",
        )
