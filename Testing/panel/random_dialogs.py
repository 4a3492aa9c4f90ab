"""Dialogs that are answered in some way, which a seed decides."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RandomDialogs:
    """Answers every question in some way.

    Args:
        chance: decides the answers.
        place: a folder with `files`, `model` and `out`.
        studies: where the studies `study` and `other` are now; the user may move them.

    Attributes:
        messages: Messages to the user.
        agreed: the questions that were answered with yes.
    """

    def __init__(self, chance: random.Random, place: Path, studies: Mapping[str, Path]) -> None:
        self._chance, self._place, self._studies = chance, place, studies
        self.messages: list[str] = []
        self.agreed: list[str] = []

    def confirm(self, text: str) -> bool:
        agrees = self._chance.random() < 0.7
        if agrees:
            self.agreed.append(text)
        return agrees

    def inform(self, text: str) -> None:
        self.messages.append(text)

    def showError(self, error: Exception) -> None:
        self.messages.append(str(error))

    def chooseFolder(self, title: str) -> str | None:
        study, files = self._studies["study"], self._place / "files"
        folders = {
            "Folder of the study": [study, study, self._studies["other"], files],
            "Folder of a trained model": [self._place / "model"],
            "Add all images of a folder, or a DICOM series": [files, study],
        }
        folder = self._chance.choice([*folders.get(title, [self._place / "out"]), None])
        return None if folder is None else str(folder)

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        return [str(self._chance.choice(sorted((self._place / "files").iterdir())))]

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        return self._chance.choice([str(self._place / "out" / "saved"), None])

    def askText(self, title: str, label: str, default: str) -> str | None:
        return self._chance.choice([default, "Elsewhere", None])

    def chooseItems(self, title: str, label: str, items: Any, preselected: bool = True) -> list[int]:
        return [row for row in range(len(items)) if self._chance.random() < 0.5]

    def chooseTerminology(self, title: str, entry: str | None) -> str | None:
        return self._chance.choice([entry, "x~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~y~^^~^^", None])
