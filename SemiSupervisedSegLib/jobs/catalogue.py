"""The catalogue of methods: what a user may choose and set, and what the engine trains with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..study.errors import UserError
from .catalogue_files import CatalogueFiles
from .entries import MethodEntry, NetworkEntry, Overrides, Preset, Values, choose
from .settings import size_of
from .spec import JobSpec, SettingValue

_FOLDER = Path(__file__).with_name("methods")
_RELEASED_CODE = "released_code"
_DIMENSIONS = {"2d": 2, "3d": 3}
_SIZES = {"patch_size": "patch size", "window_stride": "step between windows"}


@dataclass(frozen=True)
class Catalogue:
    """All methods, presets and networks.

    Attributes:
        methods: Methods by id, those that need the fewest kinds of images first.
        presets: Presets by id.
        networks: Networks by id.
        streamed: Stream of each setting that has no meaning without that stream.
        common_settings: Names of the settings that several methods have.
    """

    methods: Mapping[str, MethodEntry]
    presets: Mapping[str, Preset]
    networks: Mapping[str, NetworkEntry]
    streamed: Mapping[str, str]
    common_settings: frozenset[str]

    def method(self, method_id: str) -> MethodEntry:
        """Return the method of this id; raises UserError when there is none."""
        return choose("method", method_id, self.methods)

    def preset(self, preset_id: str) -> Preset:
        """Return the preset of this id; raises UserError when there is none."""
        return choose("preset", preset_id, self.presets)

    def backbone(self, network: str, dimensions: int) -> str:
        """Return the name in `engine.networks.factory` that the setting `network` means in 2 or 3 dimensions.

        Raises:
            UserError: No network has this name, or it does not work in these dimensions.
        """
        usual = next(entry for entry in self.networks.values() if entry.usual and dimensions in entry.dimensions)
        entry = usual if network == "auto" else choose("network", network, self.networks)
        if dimensions not in entry.dimensions:
            raise UserError(
                f"The network {network} does not work in {dimensions}D, in which this study is trained.",
                f'Set "network" to auto or {usual.id}, or change "dimension".',
            )
        return entry.backbone(dimensions)

    def resolve(
        self, method: str, preset: str, overrides: Values | None = None, dimensions: int | None = None
    ) -> dict[str, SettingValue]:
        """Return a value for every setting of a method, typed and in range.

        Args:
            method: Id of the method.
            preset: Id of the preset.
            overrides: Settings that the user changed, as values or as text; they win over everything.
            dimensions: Dimensions of the network, 2 for slices or 3 for volumes. None, before they are known, omits the
                settings that depend on them, unless the setting `dimension` gives them.

        Raises:
            UserError: A name is unknown, a value out of range, or values do not go together.
        """
        entry, chosen = self.method(method), self.preset(preset)
        own = entry.check(overrides or {})
        dimensions = dimensions or _DIMENSIONS.get(str(own.get("dimension")))
        values = _layered(entry, chosen, own, dimensions)
        self._check_together(entry, values, dimensions)
        possible = entry.dimensions if dimensions is None else (dimensions,)
        _check_batches(entry, [_layered(entry, chosen, own, each) for each in possible])
        # The engine reads all batches; a stream that the method does not use has an empty one.
        return {name: 0 for name in self.streamed if name not in values} | values

    def resolve_job(self, spec: JobSpec, dimensions: int | None = None) -> dict[str, SettingValue]:
        """Return a value for every setting of a job, as `resolve` does.

        Older programs let users set what their method did not read; that is left out.
        """
        names = {setting.name for setting in self.method(spec.method).settings}
        unread = self.common_settings - names
        overrides = {name: value for name, value in spec.settings.items() if name not in unread}
        return self.resolve(spec.method, spec.preset, overrides, dimensions)

    def _check_together(self, entry: MethodEntry, values: Values, dimensions: int | None) -> None:
        if dimensions is None:
            return
        if dimensions not in entry.dimensions:
            raise UserError(f"The method {entry.id} does not work in {dimensions}D.", "Choose another method.")
        self.backbone(str(values["network"]), dimensions)
        for name, words in _SIZES.items():
            size = size_of(str(values[name]))
            if size and len(size) != dimensions:
                raise UserError(
                    f"The {words} {values[name]} does not fit {dimensions}D.",
                    f"Set {name} to auto, or give {dimensions} sides.",
                )


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue that comes with the program."""
    return read_catalogue(_FOLDER)


def read_catalogue(folder: Path) -> Catalogue:
    """Return the catalogue in a folder; raises ValueError when its files contradict each other."""
    files = CatalogueFiles(folder)
    return Catalogue(files.methods(), files.presets(), files.networks(), files.streamed(), files.common_settings())


def resolve(
    method: str, preset: str, overrides: Values | None = None, dimensions: int | None = None
) -> dict[str, SettingValue]:
    """Call `Catalogue.resolve` of the catalogue that comes with the program."""
    return load_catalogue().resolve(method, preset, overrides, dimensions)


def _layered(entry: MethodEntry, preset: Preset, overrides: Values, dimensions: int | None) -> dict[str, SettingValue]:
    values = {setting.name: setting.default for setting in entry.settings}
    layers = []
    for each in preset.chain():
        layers += [each.overrides, entry.presets.get(each.id, Overrides({}, {}))]
    if overrides.get("fidelity") == _RELEASED_CODE:
        layers.append(entry.released_code)
    for layer in layers:
        values |= {name: value for name, value in layer.for_dimensions(dimensions).items() if name in values}
    return values | dict(overrides)


def _check_batches(entry: MethodEntry, possible: Iterable[Values]) -> None:
    """Raise UserError when the batch sizes are not as the method needs them, for slices nor for volumes."""
    for values in possible:
        rule = entry.released_batches if values.get("fidelity") == _RELEASED_CODE else entry.batches
        labeled, unlabeled = values["labeled_batch"], values.get("unlabeled_batch")
        if rule == "any" or (labeled == unlabeled and (rule == "equal" or int(labeled) % 2 == 0)):
            return
    number = "even number" if rule == "pairs" else "number"
    raise UserError(
        f"The method {entry.id} combines {labeled} labeled with {unlabeled} unlabeled images, which it cannot pair.",
        f'Set "labeled_batch" and "unlabeled_batch" to the same {number}.',
    )
