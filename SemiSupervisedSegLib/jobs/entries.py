"""What the catalogue is made of: methods, presets and networks as a user chooses them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..study.errors import UserError
from .settings import Setting
from .spec import SettingValue

Values = Mapping[str, SettingValue]
BatchRule = Literal["any", "equal", "pairs"]
"""Numbers of labeled and unlabeled images of a step: free, the same of both, or the same even number of both."""


@dataclass(frozen=True)
class Overrides:
    """Values that replace others.

    Attributes:
        values: Values for slices and volumes.
        by_dimension: Values for slices (2) or volumes (3), which replace those.
    """

    values: Values
    by_dimension: Mapping[int, Values]

    def for_dimensions(self, dimensions: int | None) -> dict[str, SettingValue]:
        """Return all values for 2 or 3 dimensions; None leaves out what depends on them."""
        return {**self.values, **(self.by_dimension.get(dimensions, {}) if dimensions else {})}


@dataclass(frozen=True)
class Preset:
    """A set of values for all methods, with a name for the user.

    Attributes:
        id: Name in jobs and commands.
        title: Name for the user.
        help: What it is for.
        overrides: Its values.
        like: Preset whose values it changes.
    """

    id: str
    title: str
    help: str
    overrides: Overrides
    like: Preset | None = None

    def chain(self) -> list[Preset]:
        """Return the presets whose values are taken one over the other, this one last."""
        return [self] if self.like is None else [*self.like.chain(), self]


@dataclass(frozen=True)
class NetworkEntry:
    """A network as a user chooses it.

    Attributes:
        id: Value of the setting `network`.
        dimensions: Dimensions it works in, of 2 and 3.
        usual: Whether auto takes it in these dimensions.
    """

    id: str
    dimensions: tuple[int, ...]
    usual: bool = False

    def backbone(self, dimensions: int) -> str:
        """Return the name in `engine.networks.factory` of the network in 2 or 3 dimensions."""
        return self.id if len(self.dimensions) == 1 else f"{self.id}_{dimensions}d"


@dataclass(frozen=True)
class MethodEntry:
    """A method as a user chooses it.

    Attributes:
        id: Name for the engine and the command line.
        title: Short name for a form.
        summary: Sentence that says when a clinician would choose it.
        paper: Publication.
        streams: Images it needs, of `labeled`, `unlabeled` and `external`.
        dimensions: Dimensions it works in, of 2 and 3.
        settings: All that a user may set, in the order of a form; the method or the engine reads every one.
        presets: What the method changes in a preset, by the preset's id.
        released_code: What is different when the released code is followed.
        partial_annotations: Whether labeled cases may be annotated for some of the structures only.
        batches: Rule on the numbers of labeled and unlabeled images of a step.
        released_batches: The same when the released code is followed.
    """

    id: str
    title: str
    summary: str
    paper: str
    streams: frozenset[str]
    dimensions: tuple[int, ...]
    settings: tuple[Setting, ...]
    presets: Mapping[str, Overrides]
    released_code: Overrides
    partial_annotations: bool
    batches: BatchRule
    released_batches: BatchRule

    def has(self, name: str) -> bool:
        """Return whether the method has a setting of this name."""
        return any(setting.name == name for setting in self.settings)

    def setting(self, name: str) -> Setting:
        """Return the setting of this name; raises UserError when the method has none."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        names = [setting.name for setting in self.settings]
        raise UserError(f"The method {self.id} has no setting {name!r}.", _suggest(name, names))

    def check(self, overrides: Values) -> dict[str, SettingValue]:
        """Return what a user set in the types of the settings.

        Raises:
            UserError: A name is unknown or a value out of range.
        """
        return {name: self.setting(name).parse(value) for name, value in overrides.items()}


Entry = TypeVar("Entry")


def choose(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    """Return the entry of a name; raises UserError, with the nearest name as advice, when there is none."""
    if name not in entries:
        raise UserError(f"There is no {kind} {name!r}.", _suggest(name, entries))
    return entries[name]


def _suggest(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"Choose one of: {', '.join(names)}."
