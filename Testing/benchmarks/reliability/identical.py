"""Whether two rounds ended with the same files."""

from __future__ import annotations

from typing import Any

import torch

from SemiSupervisedSegLib.jobs.folder import JobFolder

CHECKPOINT = "checkpoints/last.pt"
_TENSORS = (CHECKPOINT, "model/models/model.pt", "model/models/prototypes.pt")


def load(folder: JobFolder, name: str) -> Any:
    """Read a file of tensors of a round."""
    return torch.load(folder.path / name, map_location="cpu", weights_only=True)


def same_content(ours: Any, theirs: Any) -> bool:
    """Whether two trees of tensors and plain values are the same bit by bit."""
    if isinstance(ours, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same_content(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same_content, ours, theirs))
    return ours == theirs


def differences(folder: JobFolder, reference: JobFolder) -> list[str]:
    """Return the files of a finished round that are not, bit for bit, those of another one: model, predictions, scores.

    The report contains times and only has to exist.
    """
    found = [name for name in _TENSORS if not same_content(load(folder, name), load(reference, name))]
    ours, theirs = _results(folder), _results(reference)
    found += sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return found + ([] if folder.report.is_file() else [folder.report.name])


def _results(folder: JobFolder) -> dict[str, bytes]:
    files = [*folder.predictions.rglob("*"), folder.metrics]
    return {str(file.relative_to(folder.path)): file.read_bytes() for file in files if file.is_file()}
