"""What a protocol of the accuracy benchmark says, as records; `protocol.py` describes the file and reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.spec import SettingValue
from SemiSupervisedSegLib.study.errors import UserError

from .metric_names import USUAL

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
    external_validation: int = 0


@dataclass(frozen=True)
class Data:
    """Where cases come from.

    Attributes:
        kind: decides how studies are made (`studies.py`).
        sites: of ACDC, which comes from one site. `local` leaves it so. `simulated` turns every second unlabeled
            patient into one of another site; of these, `simulated and tested` makes every second pair test cases.
            `as needed` simulates in a study of its own for the methods that need other sites.
        phantom: of the kind phantom.
        sets: of the kind sets: names in data_sets.toml. The folder of the data is that of the only one, or has a folder
            of its name for each of several.
        labeled: of several sets: the label counts of a set where they are not those of the protocol, one for each.
        test: numbers of test cases that are not those of data_sets.toml, by set.
        scored: of several sets, the one on whose cases rows are scored, all when empty. Rows whose method cannot learn
            from cases that are annotated for different structures are trained on this set alone.
        local_site: of a set of several sites, the one that is labeled and tested; all others are unlabeled.
    """

    kind: Literal["acdc", "left_atrium", "phantom", "study", "sets"]
    sites: Literal["local", "simulated", "simulated and tested", "as needed"] = "local"
    phantom: Phantom = Phantom()
    sets: tuple[str, ...] = ()
    labeled: dict[str, tuple[int, ...]] = field(default_factory=dict)
    test: dict[str, int] = field(default_factory=dict)
    scored: str = ""
    local_site: str = ""


@dataclass(frozen=True)
class MethodRow:
    """A row of the tables: a method with settings; `title` is the short name of the method when left out.

    Attributes:
        method: id in the catalogue.
        title: in the tables.
        settings: of this row only.
        published: its name in published.csv.
        loop: that of the worker, or one as public benchmark code has it (`public_loop.py`).
        unlabeled: how many cases are unlabeled, of the kind sets; all others when 0.
        sets: those of several that it is trained on, where they are not as `Data.scored` says.
        scored: the set on whose cases it is scored, where it is not that of the data.
        other_sites: whether unlabeled images of other sites are in its study; its test cases are the same without them.
    """

    method: str
    title: str = ""
    settings: dict[str, SettingValue] = field(default_factory=dict)
    published: str = ""
    loop: Literal["worker", "public"] = "worker"
    unlabeled: int = 0
    sets: tuple[str, ...] = ()
    scored: str = ""
    other_sites: bool = True

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
    """See the docstring of `protocol.py`."""

    name: str
    data: Data
    labeled: tuple[int, ...]
    seeds: tuple[int, ...]
    methods: tuple[MethodRow, ...]
    preset: str
    reference: str
    all_labeled: int = 0
    draws: tuple[int, ...] = (0,)
    note: str = ""
    settings: dict[str, SettingValue] = field(default_factory=dict)
    structures: tuple[str, ...] = ()
    metrics: tuple[str, ...] = USUAL
    published: PublishedRows | None = None
    quick: Quick | None = None

    @property
    def counts(self) -> tuple[int, ...]:
        """All label counts, that of the whole training list last."""
        return (*self.labeled, self.all_labeled) if self.all_labeled else self.labeled

    def rows_at(self, labeled: int) -> tuple[MethodRow, ...]:
        """The rows that are trained at a label count: of the whole training list, those that need no other images."""
        methods = load_catalogue().methods
        return tuple(
            row for row in self.methods if labeled in self.labeled or "unlabeled" not in methods[row.method].streams
        )

    def sets_of(self, row: MethodRow) -> tuple[str, ...]:
        """The data sets that a row is trained on."""
        alone = self.data.scored and not load_catalogue().method(row.method).partial_annotations
        return row.sets or ((self.data.scored,) if alone else self.data.sets)

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
