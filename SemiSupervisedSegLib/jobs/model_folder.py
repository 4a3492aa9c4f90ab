"""The folder of a trained model as far as it can be read without PyTorch: its files and its description."""

from __future__ import annotations

import glob
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..study.errors import UserError
from ..study.model import Structure
from .records import from_plain

METADATA, WEIGHTS = "configs/metadata.json", "models/model.pt"
BUNDLE_VERSION = 2
OWN_SECTION = "semi_supervised_seg"
_ADVICE = "Choose the folder named model of a finished round, or a copy of one."


@dataclass(frozen=True)
class ModelDescription:
    """What metadata.json says of a trained model.

    Attributes:
        structures: Structures of the model; class index i is `structures[i - 1]`.
        method: Id of the method in the catalogue.
        plan: Content of the plan, see `planning.plan.Plan.from_dict`.
        training: Origin of the model (study, preset, seed, settings, versions).
        shared_anatomy: Whether images show all structures, whatever they are annotated for; older programs kept it
            among the settings only.
        prototype_classifier: Name of the classifier by class prototypes.
        prototype_levels: Levels of the features that it classifies.
        prototype_level: The level in models of older programs, whose classifier is the cosine.
    """

    structures: tuple[Structure, ...]
    method: str
    plan: dict[str, Any]
    training: dict[str, Any]
    shared_anatomy: bool | None = None
    prototype_classifier: str = "cosine"
    prototype_levels: tuple[str, ...] = ()
    prototype_level: str = ""

    def prototypes(self) -> tuple[str, tuple[str, ...]]:
        """Return the name of the classifier by class prototypes, and the levels of its features."""
        return self.prototype_classifier, self.prototype_levels or (self.prototype_level,)


def nearest_model(place: Path) -> Path | None:
    """Return the model that a folder is, has in it, or is a part of; None where there is none or are several.

    Args:
        place: Folder that the user chose, perhaps one level above or below the model.
    """
    for candidate in (place, place.parent):
        if os.path.isfile(candidate / METADATA):
            return candidate
    # Not of Path, which fails for a folder that may not be entered.
    inside = [place / found for found in glob.glob("*", root_dir=place) if os.path.isfile(place / found / METADATA)]
    return inside[0] if len(inside) == 1 else None


def chosen_model(place: Path) -> Path:
    """Return the model that a user means with a folder, perhaps one level off; raises UserError as `check_model`."""
    model = nearest_model(place) or place
    check_model(model)
    return model


def check_model(folder: Path) -> None:
    """Raise UserError when a folder is not a model that a round has trained, or is incomplete or half copied."""
    if not os.path.isdir(folder):
        raise UserError(f"There is no model in {folder}.", _ADVICE)
    if not os.path.isfile(folder / METADATA) or not os.path.isfile(folder / WEIGHTS):
        raise UserError(f"The folder {folder.name} does not contain a trained model.", _ADVICE)
    # PyTorch writes zip archives, whose directory is at their end.
    if not zipfile.is_zipfile(folder / WEIGHTS):
        raise damaged_model()


def read_description(folder: Path) -> ModelDescription:
    """Read metadata.json of a model.

    Raises:
        UserError: The folder holds no model of this program, or one that is damaged or of a newer version.
    """
    if not os.path.isfile(folder / METADATA):
        raise UserError(f"The folder {folder.name} does not contain a trained model.", _ADVICE)
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError("The description of the model (metadata.json) cannot be read.", _ADVICE) from error
    section = metadata.get(OWN_SECTION) if isinstance(metadata, dict) else None
    if not isinstance(section, dict) or type(section.get("bundle_version")) is not int:
        raise UserError("This MONAI bundle was not written by this program.", _ADVICE)
    if section["bundle_version"] > BUNDLE_VERSION:
        raise UserError("The model was written by a newer version of this program.", "Update the program to use it.")
    try:
        return from_plain(ModelDescription, section, ignore_unknown=True)
    except ValueError as error:
        raise damaged_model() from error


def damaged_model() -> UserError:
    """Return the error of a model whose parts contradict each other."""
    return UserError(
        "The parts of the model (metadata.json, weights, prototypes) do not fit together; it is damaged.",
        "Choose the model folder of another round, or train again.",
    )
