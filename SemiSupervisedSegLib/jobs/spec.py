"""What a job is to do, frozen at the moment it was requested."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from ..study.errors import UserError
from ..study.model import CASE_ID, MAX_LABEL, Modality, Role, Structure
from .records import from_plain, to_plain

SCHEMA_VERSION = 2
"""Version of job.json where a training continues another one; other jobs are version 1, which older programs read."""
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
SettingValue = bool | int | float | str


@dataclass(frozen=True)
class JobCase:
    """A case as it was when the job was requested; paths are absolute, `structures` as in `study.model.Case`."""

    id: str
    image: str
    site: str
    role: Role
    external: bool
    annotation: str | None = None
    structures: tuple[str, ...] | None = None


@dataclass(frozen=True)
class JobSpec:
    """One job: a round of training, a training of a comparison, or the prediction of images by a trained model.

    Attributes:
        kind: `train`, `predict`, or `trial`: a training of a comparison, which segments and scores nothing but its
            validation cases.
        method: Id of the method in the catalogue; empty for predictions, where the model determines it.
        preset: Id of the preset in the catalogue; empty for predictions.
        settings: Settings of the user beside the preset, by name. The worker completes them with `Catalogue.resolve`
            once it is known whether the images are used as slices or as volumes.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seed: Seed of everything random.
        study_name: Name of the study, for reports.
        modality: Modality of the images, which determines how intensities are normalised; None for predictions.
        structures: Structures in the order of the networks' class indices: class i is `structures[i - 1]`; empty for
            predictions.
        cases: Cases to train on and to predict.
        warm_start: Path of the model folder from which training starts.
        continues: Whether the training goes on from the last checkpoint of the round of `warm_start`, with its plan
            and everything that it has learned, instead of from its weights.
        model: Path of the model folder that predicts.
        preview_cases: Ids of the cases that are segmented from time to time during training.
        versions: Versions of the installed programs when the job was created.
    """

    kind: Literal["train", "trial", "predict"]
    method: str
    preset: str
    settings: dict[str, SettingValue]
    device: str
    seed: int
    study_name: str
    modality: Modality | None
    structures: tuple[Structure, ...]
    cases: tuple[JobCase, ...]
    warm_start: str | None = None
    continues: bool = False
    model: str | None = None
    preview_cases: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    schema_version: int = 1

    def __post_init__(self) -> None:
        """Refuse what no worker could do; raises UserError."""
        check_device(self.device)
        if not 0 <= self.seed < 2**32:
            raise UserError(f"The seed {self.seed} cannot be used.", "Take a whole number from 0 to 4294967295.")
        _check_cases(self)

    def to_json(self) -> str:
        """Return the content of job.json."""
        content = to_plain(self)
        if not self.continues:
            del content["continues"]
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Read the content of job.json; raises UserError when it is damaged or from a newer version."""
        try:
            data = json.loads(text)
            _check_version(data)
            return from_plain(cls, data)
        except (ValueError, RecursionError) as error:
            raise UserError(f"job.json is damaged: {_reason(error)}.", "Start a new round.") from error


def check_device(device: str) -> None:
    """Raise UserError for a name that no device can have; whether the device is there, only the worker knows."""
    if not _DEVICE.fullmatch(device):
        raise UserError(f"There is no device named {device!r}.", "Choose auto, cpu, cuda or cuda:N.")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} is not JSON"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _check_version(data: Any) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if type(version) is not int or version < 1:
        raise ValueError("it does not say its version")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"job.json was written by a newer version of this program (format {version}, known up to "
            f"{SCHEMA_VERSION}).",
            "Update the program to resume this round.",
        )


def _check_cases(spec: JobSpec) -> None:
    ids = Counter(case.id.casefold() for case in spec.cases)
    for case in spec.cases:
        # Ids become names of folders.
        if not CASE_ID.fullmatch(case.id) or ids[case.id.casefold()] > 1:
            raise UserError(f"The case id {case.id!r} cannot be used or occurs twice.", "Correct it in the study.")
    unknown = sorted(set(spec.preview_cases) - {case.id for case in spec.cases})
    if unknown:
        raise UserError(f"There is no case {unknown[0]!r} to preview.", "Choose a case of the study.")
    names = {structure.name for structure in spec.structures}
    for case in spec.cases:
        if case.structures is not None and not names.issuperset(case.structures):
            raise UserError(f"The case {case.id} is annotated for unknown structures.", "Correct it in the study.")
    labels = [structure.label for structure in spec.structures]
    if len(set(labels)) != len(labels) or not all(1 <= label <= MAX_LABEL for label in labels):
        raise UserError("Two structures share a label value, or one has none from 1 to 255.", "Correct the study.")
