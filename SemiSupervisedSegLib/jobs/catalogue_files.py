"""The catalogue as files: `methods/_settings.toml`, `methods/_presets.toml` and one `methods/<id>.toml` a method."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .entries import MethodEntry, NetworkEntry, Overrides, Preset
from .settings import Setting

SETTINGS_FILE, PRESETS_FILE = "_settings.toml", "_presets.toml"
_RELEASED_CODE = "released_code"


class CatalogueFiles:
    """The content of the files of a catalogue.

    Args:
        folder: Folder of the files.

    Raises:
        ValueError: The files contradict each other; also raised by the methods.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._common = _read(folder / SETTINGS_FILE)
        self._common["settings"]["network"]["choices"] += list(self._common["networks"])

    def methods(self) -> dict[str, MethodEntry]:
        """Return the methods by id, those that need the fewest kinds of images first."""
        files = [path for path in self._folder.glob("*.toml") if not path.name.startswith("_")]
        methods = [_method(path.stem, _read(path), self._common) for path in files]
        methods.sort(key=lambda method: (len(method.streams), method.title))
        return {method.id: method for method in methods}

    def presets(self) -> dict[str, Preset]:
        """Return the presets by id, in the order of the file."""
        tables = _read(self._folder / PRESETS_FILE)["presets"]
        presets: dict[str, Preset] = {}
        for name, table in tables.items():
            like = presets[table["like"]] if "like" in table else None
            presets[name] = Preset(name, table["title"], table["help"], _overrides(table), like)
        for preset in presets.values():
            _check_names(preset.overrides, set(self._common["settings"]), f"preset {preset.id}")
        return presets

    def networks(self) -> dict[str, NetworkEntry]:
        """Return the networks by id, in the order of the file."""
        return {name: NetworkEntry(name, **_listed(table)) for name, table in self._common["networks"].items()}

    def streamed(self) -> dict[str, str]:
        """Return the stream of each setting that has no meaning without that stream."""
        return {name: table["stream"] for name, table in self._common["settings"].items() if "stream" in table}

    def common_settings(self) -> frozenset[str]:
        """Return the names of the settings that several methods have."""
        return frozenset(self._common["settings"]).union(*self._common["shared"].values())


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _method(method_id: str, entry: Mapping[str, Any], common: Mapping[str, Any]) -> MethodEntry:
    settings = _settings(entry, common)
    for setting in settings:
        setting.parse(setting.default)
    released = entry.get(_RELEASED_CODE, {})
    method = MethodEntry(
        id=method_id,
        title=entry["title"],
        summary=entry["summary"],
        paper=entry["paper"],
        streams=frozenset(entry["streams"]),
        dimensions=tuple(entry["dimensions"]),
        settings=settings,
        presets={name: _overrides(table) for name, table in entry.get("presets", {}).items()},
        released_code=_overrides(released),
        partial_annotations=entry.get("partial_annotations", False),
        batches=entry.get("batches", "any"),
        released_batches=released.get("batches", entry.get("batches", "any")),
    )
    for overrides in (*method.presets.values(), method.released_code):
        _check_names(overrides, {setting.name for setting in settings}, f"method {method_id}")
    return method


def _settings(entry: Mapping[str, Any], common: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the settings of all methods, those of the method's groups and its own, of the streams that it needs."""
    groups = [*entry.get("shared", []), *([_RELEASED_CODE] if _RELEASED_CODE in entry else [])]
    tables = dict(common["settings"])
    for group in groups:
        tables |= common["shared"][group]
    for name, changes in entry.get("settings", {}).items():
        tables[name] = {**tables.get(name, {}), **changes}
    return tuple(
        Setting(name=name, **_listed(table))
        for name, table in tables.items()
        if table.get("stream", "labeled") in entry["streams"]
    )


def _listed(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with tuples in place of lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _overrides(table: Mapping[str, Any]) -> Overrides:
    return Overrides(table.get("values", {}), {2: table.get("2d", {}), 3: table.get("3d", {})})


def _check_names(overrides: Overrides, names: set[str], where: str) -> None:
    for values in (overrides.values, *overrides.by_dimension.values()):
        if unknown := sorted(set(values) - names):
            raise ValueError(f"The {where} changes {unknown[0]!r}, which is no setting.")
