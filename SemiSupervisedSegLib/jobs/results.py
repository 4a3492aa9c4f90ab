"""The files of a round's predictions: their names, and the summary of each case."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..study.errors import UserError
from ..study.exporting import Source
from .folder import JobFolder
from .records import from_plain

PredictionKind = Literal["final", "prototype"]
# What is rarely right in a segmentation of a structure.
Flag = Literal["empty", "several_pieces", "touches_border"]
SEGMENTATIONS: dict[PredictionKind, str] = {"final": "final.seg.nrrd", "prototype": "prototype.seg.nrrd"}
MAPS = {"probability": "probability.nrrd", "uncertainty": "uncertainty.nrrd", "disagreement": "disagreement.nrrd"}
PREDICTION_FILES: dict[str, str] = dict([*SEGMENTATIONS.items(), *MAPS.items()])
SUMMARY = "summary.json"
MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class CaseSummary:
    """The summary of a case's predictions; structures by name.

    Attributes:
        case: Id of the case.
        volume_final_ml: Volume of each structure in the final prediction, in mL.
        volume_prototype_ml: The same of the prototype-based prediction.
        dice: Agreement of the final with the prototype-based prediction for each structure, 0 to 1.
        mean_uncertainty: Normalised entropy within the predicted foreground, 0 (sure) to 1; 0 where it is empty.
        disagreement: One minus the mean overlap of the probabilities of both predictions, 0 to 1; in rounds of older
            programs the share of the foreground of either prediction in which the two differ.
        image_digest: Hash of the voxels that were segmented, see `study.duplicates.image_digest`; empty in rounds of
            older programs.
        expected_dice: Dice that the probabilities lead to expect of the final prediction, for each structure that is
            possible anywhere, see `engine.inference.uncertainty.expected_dice`; empty in rounds of older programs.
        flags: What is rarely right in the final prediction of a structure; none in rounds of older programs.
    """

    case: str
    volume_final_ml: dict[str, float]
    volume_prototype_ml: dict[str, float]
    dice: dict[str, float]
    mean_uncertainty: float
    disagreement: float
    image_digest: str = ""
    expected_dice: dict[str, float] = field(default_factory=dict)
    flags: dict[str, tuple[Flag, ...]] = field(default_factory=dict)

    @property
    def uncertainty(self) -> float:
        """One minus the mean of the expected Dice, from 0 (sure) to 1; in rounds of older programs the entropy."""
        values = self.expected_dice.values()
        return 1 - sum(values) / len(values) if values else self.mean_uncertainty

    def is_empty(self, kind: PredictionKind = "final") -> bool:
        """Return whether a prediction has no voxel."""
        return not any((self.volume_final_ml if kind == "final" else self.volume_prototype_ml).values())


def write_summary(folder: Path, summary: CaseSummary) -> None:
    """Write the summary into a case's new folder of predictions; raises OSError when that is not possible."""
    (folder / SUMMARY).write_text(json.dumps(asdict(summary), indent=2, allow_nan=False), encoding="utf-8")


def read_summary(folder: Path) -> CaseSummary:
    """Read the summary in a case's folder of predictions, whose name is the id of the case.

    Raises:
        UserError: There is none, or it is damaged.
    """
    try:
        data = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        summary = replace(from_plain(CaseSummary, data, ignore_unknown=True), case=folder.name)
        volumes = (*summary.volume_final_ml.values(), *summary.volume_prototype_ml.values())
        overlaps = (*summary.dice.values(), *summary.expected_dice.values())
        numbers = (*volumes, *overlaps, summary.mean_uncertainty, summary.disagreement)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("a value is not a finite number")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The prediction of case {folder.name} cannot be read.", "Predict this case again.") from error
    return summary


def is_predicted(folder: JobFolder, case_id: str) -> bool:
    """Return whether the predictions of a case are complete."""
    return (folder.predictions / case_id / SUMMARY).is_file()


def not_predicted(folder: JobFolder, case_id: str) -> UserError:
    """Return the error of a case of a round whose predictions are missing."""
    return UserError(
        f"Case {case_id}: the round {folder.name} has no prediction of it.",
        "Restore the folder predictions, or segment its image with the command predict.",
    )


def read_summaries(folder: JobFolder) -> Iterator[CaseSummary]:
    """Yield the summaries of a round in the order of the cases' ids; damaged ones are left out."""
    try:
        places = sorted(folder.predictions.iterdir())
    except OSError:
        return
    for place in places:
        try:
            yield read_summary(place)
        except UserError:
            continue


def prediction_sources(folder: JobFolder) -> list[Source]:
    """Return the final predictions of a round for export; raises UserError when the round cannot be read."""
    paths = ((case, folder.predictions / case.id / SEGMENTATIONS["final"]) for case in folder.spec().cases)
    return [Source(case.id, path, Path(case.image), None) for case, path in paths if path.exists()]
