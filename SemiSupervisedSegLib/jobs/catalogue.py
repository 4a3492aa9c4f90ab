"""The catalogue of methods, read from methods.toml: the one truth about methods, settings and presets."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..study.errors import UserError
from .settings import Setting, size_of
from .spec import SettingValue

_FILE = Path(__file__).with_name("methods.toml")
_NETWORK_DIMENSIONS = {"unet_2d": 2, "v_net": 3, "v_net_instance": 3, "unet_3d": 3}
Values = Mapping[str, SettingValue]


@dataclass(frozen=True)
class Layer:
    """Values that replace others: in any case, and in addition in 2D or in 3D."""

    values: Values
    by_dimension: Mapping[int, Values]

    def flat(self, dimensions: int | None) -> dict[str, SettingValue]:
        """All values for 2 or 3 dimensions; None leaves out what depends on them."""
        return {**self.values, **self.by_dimension.get(dimensions, {})}


@dataclass(frozen=True)
class Preset:
    """A set of values for all methods, with a name for the user."""

    id: str
    title: str
    help: str
    layer: Layer


@dataclass(frozen=True)
class MethodEntry:
    """A method as a user chooses it.

    Attributes:
        id: by which the engine and the command line know it.
        title: short, for a form.
        sentence: when a clinician would choose it.
        paper: where it was published.
        streams: of `labeled`, `unlabeled` and `external`, the images it needs.
        dimensions: of 2 and 3, those it works in.
        settings: all that a user may set, in the order of a form.
        presets: what the method changes in a preset, by its id.
        released_code: what is different when the released code is followed.
        partial_annotations: whether labeled cases may be annotated for some of the structures only.
    """

    id: str
    title: str
    sentence: str
    paper: str
    streams: frozenset[str]
    dimensions: tuple[int, ...]
    settings: tuple[Setting, ...]
    presets: Mapping[str, Layer]
    released_code: Layer
    partial_annotations: bool

    def setting(self, name: str) -> Setting:
        """The setting of this name; raises UserError when the method has none."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        names = [setting.name for setting in self.settings]
        raise UserError(f"The method {self.id} has no setting {name!r}.", _suggest(name, names))

    def check(self, overrides: Values) -> dict[str, SettingValue]:
        """What a user set, in the types of the settings; raises UserError for unknown names and values out of range."""
        return {name: self.setting(name).parse(value) for name, value in overrides.items()}


@dataclass(frozen=True)
class Catalogue:
    """All methods and presets."""

    methods: Mapping[str, MethodEntry]
    presets: Mapping[str, Preset]
    streamed: Mapping[str, str]

    def method(self, method_id: str) -> MethodEntry:
        """The method of this id; raises UserError when there is none."""
        return _choose("method", method_id, self.methods)

    def preset(self, preset_id: str) -> Preset:
        """The preset of this id; raises UserError when there is none."""
        return _choose("preset", preset_id, self.presets)

    def resolve(
        self, method: str, preset: str, overrides: Values | None = None, dimensions: int | None = None
    ) -> dict[str, SettingValue]:
        """Every setting the engine reads, typed and in range.

        Args:
            method: id of the method.
            preset: id of the preset.
            overrides: what the user set, as values or as text; wins over everything.
            dimensions: 2 for slices, 3 for volumes; None, when not known yet, leaves out what depends on it, unless
                the setting `dimension` says it.

        Raises:
            UserError: an unknown name, a value out of range, or values that do not go together.
        """
        entry, chosen = self.method(method), self.preset(preset)
        own = entry.check(overrides or {})
        if dimensions is None and own.get("dimension", "auto") != "auto":
            dimensions = 2 if own["dimension"] == "2d" else 3
        values = {setting.name: setting.default for setting in entry.settings}
        layers = [chosen.layer, entry.presets.get(preset, Layer({}, {}))]
        if own.get("fidelity") == "released_code":
            layers.append(entry.released_code)
        for layer in layers:
            values |= {name: value for name, value in layer.flat(dimensions).items() if name in values}
        values |= own
        _check_together(entry, values, dimensions)
        # The engine reads all batches; a stream that the method does not use has an empty one.
        return {name: 0 for name in self.streamed if name not in values} | values


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that comes with the program."""
    return read_catalogue(_FILE.read_text(encoding="utf-8"))


def resolve(
    method: str, preset: str, overrides: Values | None = None, dimensions: int | None = None
) -> dict[str, SettingValue]:
    """As `Catalogue.resolve` of the catalogue that comes with the program."""
    return load_catalogue().resolve(method, preset, overrides, dimensions)


def read_catalogue(text: str) -> Catalogue:
    """A catalogue from the text of a methods.toml; raises ValueError when it contradicts itself."""
    data = tomllib.loads(text)
    presets = {
        name: Preset(name, entry["title"], entry["help"], _layer(entry)) for name, entry in data["presets"].items()
    }
    methods = {name: _read_method(name, entry, data) for name, entry in data["methods"].items()}
    streamed = {name: entry["stream"] for name, entry in data["settings"].items() if "stream" in entry}
    known = set(data["settings"])
    for preset in presets.values():
        _check_names(preset.layer, known, f"preset {preset.id}")
    return Catalogue(methods, presets, streamed)


def _read_method(method_id: str, entry: Mapping[str, Any], data: Mapping[str, Any]) -> MethodEntry:
    tables = dict(data["settings"]) | {name: data["shared"][name] for name in entry.get("shared", [])}
    for name, changes in entry.get("settings", {}).items():
        tables[name] = {**tables.get(name, {}), **changes}
    streams = frozenset(entry["streams"])
    settings = tuple(
        Setting(name=name, **{**table, "choices": tuple(table.get("choices", ()))})
        for name, table in tables.items()
        if table.get("stream", "labeled") in streams
    )
    for setting in settings:
        setting.parse(setting.default)
    method = MethodEntry(
        id=method_id,
        title=entry["title"],
        sentence=entry["sentence"],
        paper=entry["paper"],
        streams=streams,
        dimensions=tuple(entry["dimensions"]),
        settings=settings,
        presets={name: _layer(table) for name, table in entry.get("presets", {}).items()},
        released_code=_layer(entry.get("released_code", {})),
        partial_annotations=entry.get("partial_annotations", False),
    )
    for layer in (*method.presets.values(), method.released_code):
        _check_names(layer, {setting.name for setting in settings}, f"method {method_id}")
    return method


def _layer(table: Mapping[str, Any]) -> Layer:
    return Layer(table.get("values", {}), {2: table.get("2d", {}), 3: table.get("3d", {})})


def _check_names(layer: Layer, known: set[str], where: str) -> None:
    for values in (layer.values, *layer.by_dimension.values()):
        if unknown := sorted(set(values) - known):
            raise ValueError(f"The {where} changes {unknown[0]!r}, which is no setting.")


def _check_together(entry: MethodEntry, values: Values, dimensions: int | None) -> None:
    if dimensions is None:
        return
    if dimensions not in entry.dimensions:
        raise UserError(f"The method {entry.id} does not work in {dimensions}D.", "Choose another method.")
    network = values["network"]
    if _NETWORK_DIMENSIONS.get(network, dimensions) != dimensions:
        raise UserError(f"The network {network} does not work in {dimensions}D.", "Set network to auto.")
    size = size_of(values["patch_size"])
    if size and len(size) != dimensions:
        raise UserError(
            f"The patch size {values['patch_size']} does not fit {dimensions}D.",
            f"Set patch_size to auto, or give {dimensions} sides.",
        )


def _choose(what: str, name: str, entries: Mapping[str, Any]) -> Any:
    if name not in entries:
        raise UserError(f"There is no {what} {name!r}.", _suggest(name, entries))
    return entries[name]


def _suggest(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"Choose one of: {', '.join(names)}."
