"""The protocol of an accuracy benchmark: a TOML file that says what is trained on what, and what stands beside it.

    name = "ACDC"                  # of the data, for titles
    note = "..."                   # printed below every table
    labeled = [3, 7]               # label counts; one study is made for each
    all_labeled = 70               # the whole training list, for methods that need no unlabeled images; or left out
    seeds = [0, 1, 2]              # of the training; averaged case by case
    draws = [0, 1, 2]              # of the labeled cases, see below; averaged likewise; only draw 0 when left out
    preset = "paper"               # of the catalogue of methods
    reference = "supervised"       # the method that all others are tested against, at equal label counts
    structures = ["..."]           # averaged over in tables; all when left out
    metrics = ["dice", "..."]      # columns of metrics.csv, see metric_names.py

    base = "cpcl_t1"               # what is not said here is as in this protocol; tables are merged, rows are not
    [data]
    kind = "acdc"                  # or left_atrium, phantom (synthetic), study (an existing study folder), or sets:
    sites = "as needed"            # acdc only, see `Data`
    sets = ["kits19"]              # of the kind sets: public data sets of data_sets.toml, see `Data` for the rest

    [settings]                     # for all methods that have the setting
    steps = 30000

    [[methods]]                    # a row of the tables
    method = "ua_mt"               # id in the catalogue
    published = "UA-MT"            # its name in published.csv
    settings = { steps = 40000 }   # of this row only; see `MethodRow` for what else a row can differ in

    [[methods]]
    method = "supervised"          # or mean_teacher
    loop = "public"                # trained as public benchmark code does, see public_training.py
    settings = { steps = 700 }     # it has no others

    [published]
    dataset = "ACDC"               # in published.csv
    tables = ["SS-Net T2"]         # paper and table; the first one that has the method and label count is shown

    [quick]                        # what --quick changes
    seeds = [0]
    settings = { steps = 300 }

What a protocol cannot change, so that its figures are honest: the labeled cases are the first ones of the training
list (draw 0), or of the list in an order that is shuffled by `numpy.random.default_rng(draw)`, whatever the seed. The
test cases have the role validation in the studies; no training reads them, nothing is
chosen on them, and they are scored once, after the last step, with the network of the last step
(`validation_interval = 0`; the score that is logged at the last step changes nothing). Of the test cases, the plan of
a round knows the size and spacing in the headers, as it does of all cases; no preset depends on more than that.
"""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.records import from_plain
from SemiSupervisedSegLib.study.errors import UserError

from .protocol_checks import check_protocol
from .protocol_model import Data, MethodRow, Protocol

PROTOCOLS = Path(__file__).with_name("protocols")
TINY_SETTINGS = {
    "2d": {"patch_size": "32x32", "window_stride": "auto", "in_plane_scale": 0.25},
    "3d": {"patch_size": "32x32x32", "window_stride": "32x32x32"},
}
"""What --tiny sets beside the steps and batches, by dimension."""


def read_protocol(path: Path | str) -> Protocol:
    """Read and check a protocol: a file, or the name of one in the folder protocols.

    Raises:
        UserError: it is missing, is not TOML, or says something that cannot be done.
    """
    path = _found(path)
    try:
        protocol = from_plain(Protocol, _with_base(path, ()))
    except ValueError as error:
        raise UserError(f"The protocol {path.name} cannot be read: {error}.", "Correct the file.") from error
    return checked(protocol)


def _found(path: Path | str) -> Path:
    path = Path(path)
    included = PROTOCOLS / f"{path}.toml"
    return included if not path.is_file() and included.is_file() else path


def _with_base(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The content of a file over that of its base; raises ValueError, and UserError for a missing file."""
    if path in above:
        raise ValueError(f"its base {path.stem} is based on itself")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(sorted(file.stem for file in PROTOCOLS.glob("*.toml")))
        raise UserError(f"There is no protocol {path}.", f"Name a file, or one of: {names}.") from error
    base = data.pop("base", None)
    return data if base is None else _merged(_with_base(_found(str(base)), (*above, path)), data)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {name: _merged(base[name], own[name]) for name in base.keys() & own.keys() if isinstance(own[name], dict)}
    return base | own | both


def quick_form(protocol: Protocol) -> Protocol:
    """The protocol as --quick runs it; raises UserError when it has no quick form."""
    quick = protocol.quick
    if quick is None:
        raise UserError(f"The protocol {protocol.name} has no quick form.", "Add a table [quick] to it.")
    rows = tuple(protocol.row(name) for name in quick.methods) or protocol.methods
    # What the quick form sets wins over what a row sets, or long rows would stay long.
    rows = tuple(
        dataclasses.replace(
            row,
            settings={name: value for name, value in row.settings.items() if name not in quick.settings},
        )
        for row in rows
    )
    return checked(
        dataclasses.replace(
            protocol,
            name=f"{protocol.name} (quick form)",
            data=_quick_data(protocol.data, protocol.labeled, quick.labeled),
            labeled=quick.labeled or protocol.labeled,
            all_labeled=0,
            seeds=quick.seeds or protocol.seeds,
            draws=quick.draws or protocol.draws,
            methods=rows,
            settings=protocol.settings | quick.settings,
            quick=None,
        )
    )


def _quick_data(data: Data, labeled: tuple[int, ...], kept: tuple[int, ...]) -> Data:
    """The data with the label counts of other sets that belong to the ones that are kept."""
    counts = {
        name: tuple(own for count, own in zip(labeled, numbers, strict=True) if count in (kept or labeled))
        for name, numbers in data.labeled.items()
    }
    return dataclasses.replace(data, labeled=counts)


def tiny_form(protocol: Protocol) -> Protocol:
    """The quick form in seconds: two steps on small patches, two labeled cases of each data set, one seed."""
    quick = quick_form(protocol)
    batches = {"steps": 2, "labeled_batch": 2, "unlabeled_batch": 2, "external_batch": 2, "threads": 1}
    known = {setting.name for row in quick.methods for setting in load_catalogue().method(row.method).settings}
    tiny = batches | TINY_SETTINGS[str(protocol.settings.get("dimension", "3d"))]
    tiny = {name: value for name, value in tiny.items() if name in known}
    rows = [
        dataclasses.replace(
            row,
            unlabeled=min(row.unlabeled, 1),
            settings={name: value for name, value in row.settings.items() if name not in tiny},
        )
        for row in quick.methods
    ]
    return checked(
        dataclasses.replace(
            quick,
            name=f"{protocol.name} (tiny form)",
            data=dataclasses.replace(quick.data, labeled={}),
            labeled=(2,),
            seeds=(0,),
            draws=(0,),
            methods=tuple(rows),
            settings=quick.settings | tiny,
            published=None,
        )
    )


def checked(protocol: Protocol) -> Protocol:
    """The protocol with its titles filled in; raises UserError for what cannot be done."""
    load_catalogue().preset(protocol.preset)
    rows = [dataclasses.replace(row, title=row.title or _default_title(row)) for row in protocol.methods]
    protocol = dataclasses.replace(protocol, methods=tuple(rows))
    check_protocol(protocol)
    if protocol.quick is not None:
        quick_form(protocol)
    return protocol


def short_title(method: str) -> str:
    """What tables call a method of the catalogue: what is in parentheses in its title, or the title."""
    title = load_catalogue().method(method).title
    return title.rpartition("(")[2].rstrip(")")


def _default_title(row: MethodRow) -> str:
    return short_title(row.method) + (", public loop" if row.loop == "public" else "")
