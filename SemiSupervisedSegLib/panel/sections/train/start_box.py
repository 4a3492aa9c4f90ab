"""What the next round begins with: nothing, an earlier round, or a model from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
from slicer.i18n import tr as _

from ....jobs.continuation import model_in
from ....jobs.folder import JobFolder
from ....jobs.model_folder import read_description
from ....planning.warm_start import match_structures
from ....study.errors import UserError
from ....study.model import Study
from ...services import Dialogs

_ELSEWHERE = "elsewhere"


class StartBox:
    """The combo box *Start from*; its last entry asks for the folder of another study, round or model.

    Args:
        box: Empty combo box.
        dialogs: Dialogs to choose a folder with.
        onChanged: Function called when another start was chosen.
    """

    def __init__(self, box: qt.QComboBox, dialogs: Dialogs, onChanged: Callable[[], None]) -> None:
        self._box, self._dialogs, self._onChanged = box, dialogs, onChanged
        self._study: Study | None = None
        self._models: dict[str, Path] = {}
        self._imported: list[Path] = []
        self._chosen = ""
        box.connect("currentIndexChanged(int)", self._change)

    @property
    def model(self) -> Path | None:
        """The folder of the model that the next round begins with, None to begin from scratch."""
        return self._models.get(self._chosen)

    def show(self, study: Study | None, rounds: Sequence[JobFolder]) -> None:
        """Offer the rounds of a study that have a model; what is chosen stays where it is still offered."""
        if study is None or self._study is None or study.folder != self._study.folder:
            self._imported, self._chosen = [], ""
        self._study = study
        trained = [folder for folder in reversed(rounds) if folder.model.is_dir()]
        self._models = {str(folder.model): folder.model for folder in trained}
        self._models |= {str(model): model for model in self._imported}
        before = self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem(_("scratch, without earlier rounds") if trained else _("scratch"), "")
        for folder in trained:
            self._box.addItem(_("what round {name} has learned").format(name=folder.name), str(folder.model))
        for model in self._imported:
            self._box.addItem(_inWords(model), str(model))
        self._box.addItem(_("Another study or model..."), _ELSEWHERE)
        self._box.blockSignals(before)
        self._select(self._chosen)

    def choose(self, model: Path | None) -> None:
        """Choose a model to build on, which may be one from elsewhere; None begins from scratch."""
        if model is not None and str(model) not in self._models and model.is_dir():
            self._imported.append(model)
            self._models[str(model)] = model
            self._box.insertItem(self._box.count - 1, _inWords(model), str(model))
        self._select("" if model is None else str(model))

    def inWords(self) -> str:
        """Return what is taken over from the chosen model, empty where everything or nothing is."""
        if self.model is None or self._study is None:
            return ""
        try:
            return match_structures(read_description(self.model).structures, self._study.structures).in_words()
        except UserError as error:
            return str(error)

    def _change(self, index: int) -> None:
        data = self._box.itemData(index)
        if data != _ELSEWHERE:
            self._chosen = data or ""
            self._onChanged()
            return
        self._select(self._chosen)
        folder = self._dialogs.chooseFolder(_("Folder of a study, of a round, or of an exported model"))
        if folder is None:
            return
        try:
            self.choose(model_in(Path(folder)))
        except UserError as error:
            self._dialogs.showError(error)

    def _select(self, data: str) -> None:
        index = max(0, self._box.findData(data))
        isOther = index != self._box.currentIndex
        self._chosen = self._box.itemData(index) or ""
        # Selecting another entry reports the change itself.
        if isOther:
            self._box.setCurrentIndex(index)


def _inWords(model: Path) -> str:
    """Return the words for a model: study and round where it lies in one, else the name of its folder."""
    places, place = model.parts, model.name
    if len(places) > 3 and places[-3] == "rounds" and places[-1] == "model":
        place = f"{places[-4]}, {places[-2]}"
    return _("the model of {place}").format(place=place)
