"""Dialogs that a test answers beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ScriptedDialogs:
    """Stands for panel.services.Dialogs. A question without an answer fails the test.

    Attributes:
        messages: Messages to the user: texts, and those of errors.
        asked: the texts and titles of the questions.
        offered: Items of the last list that was shown.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.asked: list[str] = []
        self.offered: list[str] = []
        self._answers: dict[str, list[Any]] = {}

    def answer(self, question: str, *answers: Any) -> None:
        """Give the next answers to `confirm`, `chooseFolder` and so on."""
        self._answers.setdefault(question, []).extend(answers)

    def confirm(self, text: str) -> bool:
        return self._ask("confirm", text)

    def chooseButton(self, text: str, buttons: Sequence[str]) -> int:
        return self._ask("chooseButton", text)

    def inform(self, text: str) -> None:
        self.messages.append(text)

    def showError(self, error: Exception) -> None:
        self.messages.append(str(error))

    def chooseFolder(self, title: str) -> str | None:
        return self._ask("chooseFolder", title)

    def chooseFiles(self, title: str, filter: str) -> list[str]:
        return self._ask("chooseFiles", title)

    def chooseSaveFile(self, title: str, filter: str) -> str | None:
        return self._ask("chooseSaveFile", title)

    def askText(self, title: str, label: str, default: str) -> str | None:
        return self._ask("askText", title)

    def chooseItems(self, title: str, label: str, items: Sequence[str], preselected: bool = True) -> list[int]:
        self.offered = list(items)
        return self._ask("chooseItems", title)

    def chooseColor(self, title: str, color: tuple[int, int, int]) -> tuple[int, int, int] | None:
        return self._ask("chooseColor", title)

    def chooseTerminology(self, title: str, entry: str | None) -> str | None:
        return self._ask("chooseTerminology", title)

    def _ask(self, question: str, text: str) -> Any:
        self.asked.append(text)
        answers = self._answers.get(question)
        if not answers:
            raise AssertionError(f"Nobody answers {question}: {text}")
        return answers.pop(0)
