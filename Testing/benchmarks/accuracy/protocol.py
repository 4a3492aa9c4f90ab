"""The protocol of an accuracy benchmark: a TOML file that says what is trained on what, and what stands beside it.

    name = "ACDC"                  # of the data, for titles
    note = "..."                   # printed below every table
    labeled = [3, 7]               # label counts; one study is made for each
    seeds = [0, 1, 2]              # of the training; averaged case by case
    draws = [0, 1, 2]              # of the labeled cases, see below; averaged likewise; only draw 0 when left out
    preset = "paper"               # of the catalogue of methods
    reference = "supervised"       # the method that all others are tested against, at equal label counts
    structures = ["..."]           # averaged over in tables; all when left out
    metrics = ["dice", "..."]      # columns of metrics.csv, see metric_names.py

    [data]
    kind = "acdc"                  # or left_atrium, phantom (synthetic), study (an existing study folder)
    sites = "as needed"            # acdc only, see `Data`

    [settings]                     # for all methods that have the setting
    steps = 30000

    [[methods]]                    # a row of the tables
    method = "ua_mt"               # id in the catalogue
    published = "UA-MT"            # its name in published.csv
    settings = { steps = 40000 }   # of this row only

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.records import from_plain
from SemiSupervisedSegLib.jobs.spec import SettingValue
from SemiSupervisedSegLib.study.errors import UserError

from .metric_names import METRICS, USUAL

PROTOCOLS = Path(__file__).with_name("protocols")
_DECIDED = {
    "validation_interval": "test cases are scored once, at the end",
    "preview_interval": "previews would show test cases before the end",
}
PUBLIC_METHODS = ("supervised", "mean_teacher")
PUBLIC_SETTINGS = frozenset({"steps", "threads", "largest_component"})
"""All that can be set for a public loop; everything else is as published."""


@dataclass(frozen=True)
class Phantom:
    """The synthetic study of a protocol of this kind; see `generate_study`."""

    unlabeled: int = 12
    external: int = 12
    validation: int = 6
    structures: int = 2
    size: tuple[int, int, int] = (64, 64, 8)
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """Where cases come from.

    Attributes:
        kind: decides how studies are made (`studies.py`).
        sites: of ACDC, which comes from one site. `local` leaves it so. `simulated` turns every second unlabeled
            patient into one of another site. `as needed` does this in a study of its own for the methods that need
            other sites.
        phantom: of the kind phantom.
    """

    kind: Literal["acdc", "left_atrium", "phantom", "study"]
    sites: Literal["local", "simulated", "as needed"] = "local"
    phantom: Phantom = Phantom()


@dataclass(frozen=True)
class MethodRow:
    """A row of the tables: a method with settings; `title` is the short name of the method when left out.

    Its `loop` is that of the worker, or one as public benchmark code has it (`public_loop.py`).
    """

    method: str
    title: str = ""
    settings: dict[str, SettingValue] = field(default_factory=dict)
    published: str = ""
    loop: Literal["worker", "public"] = "worker"

    @property
    def names(self) -> tuple[str, ...]:
        """What a protocol may call the row; a public loop has only its title, as its method is the worker's, too."""
        return (self.title,) if self.loop == "public" else (self.title, self.method)


@dataclass(frozen=True)
class PublishedRows:
    """What of published.csv stands beside the cells; `note` says in what the published figures differ."""

    dataset: str
    tables: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Quick:
    """What is different in the quick form; what is empty stays, and `methods` are titles or ids of rows."""

    labeled: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    draws: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    settings: dict[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """See the docstring of the module."""

    name: str
    data: Data
    labeled: tuple[int, ...]
    seeds: tuple[int, ...]
    methods: tuple[MethodRow, ...]
    preset: str
    reference: str
    draws: tuple[int, ...] = (0,)
    note: str = ""
    settings: dict[str, SettingValue] = field(default_factory=dict)
    structures: tuple[str, ...] = ()
    metrics: tuple[str, ...] = USUAL
    published: PublishedRows | None = None
    quick: Quick | None = None

    def row(self, name: str) -> MethodRow:
        """The first row of this title or method; raises UserError when there is none."""
        for row in self.methods:
            if name in row.names:
                return row
        titles = ", ".join(row.title for row in self.methods)
        raise UserError(f"The protocol {self.name} has no method {name!r}.", f"It has: {titles}.")

    def settings_of(self, row: MethodRow) -> dict[str, SettingValue]:
        """What is set beside the preset for a row, in the types of the settings."""
        entry = load_catalogue().method(row.method)
        own = PUBLIC_SETTINGS if row.loop == "public" else {setting.name for setting in entry.settings}
        common = {name: value for name, value in self.settings.items() if name in own}
        return entry.check(common | row.settings | {"validation_interval": 0, "preview_interval": 0})


def read_protocol(path: Path | str) -> Protocol:
    """Read and check a protocol: a file, or the name of one in the folder protocols.

    Raises:
        UserError: it is missing, is not TOML, or says something that cannot be done.
    """
    path = Path(path)
    included = PROTOCOLS / f"{path}.toml"
    if not path.is_file() and included.is_file():
        path = included
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        protocol = from_plain(Protocol, data)
    except OSError as error:
        names = ", ".join(sorted(file.stem for file in PROTOCOLS.glob("*.toml")))
        raise UserError(f"There is no protocol {path}.", f"Name a file, or one of: {names}.") from error
    except ValueError as error:
        raise UserError(f"The protocol {path.name} cannot be read: {error}.", "Correct the file.") from error
    return checked(protocol)


def quick_form(protocol: Protocol) -> Protocol:
    """The protocol as --quick runs it; raises UserError when it has no quick form."""
    quick = protocol.quick
    if quick is None:
        raise UserError(f"The protocol {protocol.name} has no quick form.", "Add a table [quick] to it.")
    rows = tuple(protocol.row(name) for name in quick.methods) or protocol.methods
    # What the quick form sets wins over what a row sets, or long rows would stay long.
    rows = tuple(
        dataclasses.replace(
            row, settings={name: value for name, value in row.settings.items() if name not in quick.settings}
        )
        for row in rows
    )
    return checked(
        dataclasses.replace(
            protocol,
            name=f"{protocol.name} (quick form)",
            labeled=quick.labeled or protocol.labeled,
            seeds=quick.seeds or protocol.seeds,
            draws=quick.draws or protocol.draws,
            methods=rows,
            settings=protocol.settings | quick.settings,
            quick=None,
        )
    )


def checked(protocol: Protocol) -> Protocol:
    """The protocol with its titles filled in; raises UserError for what cannot be done."""
    catalogue = load_catalogue()
    catalogue.preset(protocol.preset)
    rows = [dataclasses.replace(row, title=row.title or _default_title(row)) for row in protocol.methods]
    protocol = dataclasses.replace(protocol, methods=tuple(rows))
    _check_numbers(protocol)
    _check_names(protocol)
    for row in rows:
        _check_loop(protocol, row)
        catalogue.resolve(row.method, protocol.preset, protocol.settings_of(row))
        needs = catalogue.method(row.method).streams
        if protocol.data.kind == "left_atrium" or (protocol.data.kind == "acdc" and protocol.data.sites == "local"):
            _check_streams(protocol, row, needs)
    if protocol.quick is not None:
        quick_form(protocol)
    return protocol


def short_title(method: str) -> str:
    """What tables call a method of the catalogue: what is in parentheses in its title, or the title."""
    title = load_catalogue().method(method).title
    return title.rpartition("(")[2].rstrip(")")


def _default_title(row: MethodRow) -> str:
    return short_title(row.method) + (", public loop" if row.loop == "public" else "")


def _check_numbers(protocol: Protocol) -> None:
    lists = (("labeled", protocol.labeled, 1), ("seeds", protocol.seeds, 0), ("draws", protocol.draws, 0))
    for what, numbers, least in lists:
        if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < least:
            raise _refused(protocol, f"{what} has to be different whole numbers from {least} on")


def _check_names(protocol: Protocol) -> None:
    titles = [row.title for row in protocol.methods]
    if not protocol.name.strip() or not titles:
        raise _refused(protocol, "it needs a name and at least one method")
    if len(set(titles)) < len(titles):
        raise _refused(protocol, "two rows have the same title")
    protocol.row(protocol.reference)
    unknown = [name for name in protocol.metrics if name not in METRICS]
    if unknown or not protocol.metrics:
        known = ", ".join(METRICS)
        raise _refused(protocol, f"the metric {unknown[0]!r} is unknown" if unknown else "it has no metric", known)
    known = {setting.name for row in protocol.methods for setting in load_catalogue().method(row.method).settings}
    for table in (protocol.settings, *(row.settings for row in protocol.methods)):
        for name in table:
            if name in _DECIDED:
                raise _refused(protocol, f"{name} cannot be set, because {_DECIDED[name]}")
            if name not in known:
                raise _refused(protocol, f"none of its methods has the setting {name!r}")


def _check_loop(protocol: Protocol, row: MethodRow) -> None:
    if row.loop == "worker":
        return
    if row.method not in PUBLIC_METHODS:
        raise _refused(protocol, f"{row.method} has no public loop", ", ".join(PUBLIC_METHODS))
    if protocol.data.kind == "left_atrium":
        raise _refused(protocol, "the public loop trains on slices, and published trainings of these data on volumes")
    if unread := sorted(set(row.settings) - PUBLIC_SETTINGS):
        raise _refused(protocol, f"the public loop has no setting {unread[0]!r}")


def _check_streams(protocol: Protocol, row: MethodRow, needs: frozenset[str]) -> None:
    if "external" in needs:
        raise _refused(protocol, f"{row.title} needs images of other sites, and there are none")


def _refused(protocol: Protocol, reason: str, choices: str = "") -> UserError:
    advice = f"Choose from: {choices}." if choices else "Correct the file."
    return UserError(f"The protocol {protocol.name} cannot be used: {reason}.", advice)
