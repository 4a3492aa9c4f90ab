"""What is open in the panel: the study, the shown case and the rounds. Free of Qt and of the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..jobs.folder import JobFolder
from ..jobs.rounds import rounds
from ..study.errors import UserError
from ..study.model import Modality, Structure, Study
from ..study.store import create_study, load_study, save_study, study_lock
from .signal import Signal

if TYPE_CHECKING:
    from .logic.state import Facts, PanelState


class Session:
    """The one place where the sections of the panel learn what is open, and by which they change it.

    Attributes:
        study_changed: Signal that another study was opened, it was closed, or its content changed.
        case_changed: Signal that another case is displayed.
        rounds_changed: Signal that rounds appeared, disappeared or ended, or that another one is under review.
        upcoming_changed: Signal that other cases than before will probably be displayed next.
        view_changed: Signal that the display of something changed, which a saved scene stores.
        state_changed: Signal that something changed that determines which actions are possible; it follows the signals
            of study, case and rounds.
        study: Open study, None before one is opened.
        case_id: Id of the displayed case, None when there is none.
        round: Round under review, the latest finished training unless another was chosen.
    """

    def __init__(self) -> None:
        self.study_changed = Signal()
        self.case_changed = Signal()
        self.rounds_changed = Signal()
        self.upcoming_changed = Signal()
        self.view_changed = Signal()
        self.state_changed = Signal()
        self.study: Study | None = None
        self.case_id: str | None = None
        self.round: JobFolder | None = None
        self._rounds: list[JobFolder] = []
        self._chosen: str | None = None
        self._section_facts: dict[str, object] = {}

    @property
    def folder(self) -> Path | None:
        """The folder of the open study."""
        return None if self.study is None else self.study.folder

    def create_study(
        self,
        folder: Path | str,
        name: str,
        modality: Modality | str,
        local_site: str,
        structures: Iterable[Structure],
    ) -> None:
        """Make a study in a folder and open it; raises UserError when that is not possible."""
        self._open(create_study(folder, name, modality, local_site, structures))

    def open_study(self, folder: Path | str, case_id: str | None = None) -> None:
        """Open the study in a folder, and show one of its cases if it has it.

        Raises UserError, with what was open left open, when the study cannot be read.
        """
        study = load_study(folder)
        self._open(study, case_id if any(case.id == case_id for case in study.cases) else None)

    def close_study(self) -> None:
        """Open nothing."""
        self._open(None)

    def edit_study(self, function: Callable[[Study], Study]) -> None:
        """Apply `function` to the study as it is on disk, save it and keep the result.

        The lock of the study is held, so that two programs cannot undo each other's changes; `function` must not take
        it. Raises UserError, with the study as it was, when no study is open, another program holds the lock, or
        `function` refuses.
        """
        self.check_in_place()
        with study_lock(self.study.folder):
            changed = function(load_study(self.study.folder))
            save_study(changed)
        self._replace_study(changed)

    def check_in_place(self) -> None:
        """Raise UserError when no study is open, or its folder was renamed, moved or deleted meanwhile.

        Call this before writing into the study: a new folder of the old name would be no study.
        """
        if self.study is None:
            raise UserError("No study is open.", "Open or create a study first.")
        if not self.study.layout.exists():
            raise UserError(f"The study is not in {self.study.folder} any more.", "Open it where it is now.")

    def reload(self) -> None:
        """Read the study and its rounds again, as another program may have changed them; raises UserError."""
        if self.study is None:
            return
        self.check_in_place()
        study = load_study(self.study.folder)
        if study != self.study:
            self._replace_study(study)
        self.refresh_rounds()

    def show(self, case_id: str | None) -> None:
        """Make a case the shown one; raises UserError when the study does not have it."""
        if case_id is not None:
            if self.study is None:
                raise UserError("No study is open.", "Open or create a study first.")
            self.study.case(case_id)
        self.case_id = case_id
        self._notify(self.case_changed)

    def rounds(self) -> list[JobFolder]:
        """Return the rounds of the study, oldest first, as of the last `refresh_rounds`."""
        return list(self._rounds)

    def refresh_rounds(self) -> None:
        """Read the rounds on disk again, after one was started, ended or deleted."""
        self._find_rounds()
        self._notify(self.rounds_changed)

    @property
    def chosen_round(self) -> str | None:
        """The name of the round that was put under review by choice, None when the latest finished one is."""
        return self._chosen

    def choose_round(self, name: str | None) -> None:
        """Put the round of this name under review, None for the latest finished one; raises UserError."""
        if name is not None and all(folder.name != name for folder in self._rounds):
            raise UserError(f"The study has no round {name!r}.", "Choose one of the list.")
        self._chosen = name
        self.refresh_rounds()

    def set_facts(self, **facts: object) -> None:
        """Keep what only a section knows and the state depends on, such as a running worker, by names of `Facts`."""
        if any(self._section_facts.get(name, _UNKNOWN) != value for name, value in facts.items()):
            self._section_facts.update(facts)
            self.state_changed.emit()

    def facts(self) -> Facts:
        """Return everything that determines the possible actions: the session's state and the facts of the sections."""
        from .logic.state import Facts

        return Facts(
            study=self.study, case_id=self.case_id, rounds=tuple(self._rounds), round=self.round, **self._section_facts
        )

    @property
    def state(self) -> PanelState:
        """Where the user is in the loop."""
        from .logic.state import state_of

        return state_of(self.facts())

    def _open(self, study: Study | None, case_id: str | None = None) -> None:
        self.study, self.case_id, self._chosen = study, case_id, None
        self._find_rounds()
        for signal in (self.study_changed, self.rounds_changed, self.case_changed):
            signal.emit()
        self.state_changed.emit()

    def _replace_study(self, study: Study) -> None:
        self.study = study
        is_gone = self.case_id is not None and all(case.id != self.case_id for case in study.cases)
        if is_gone:
            self.case_id = None
        self._notify(self.study_changed)
        if is_gone:
            self._notify(self.case_changed)

    def _find_rounds(self) -> None:
        self._rounds = [] if self.study is None else [item for item in rounds(self.study.folder) if item.exists()]
        chosen = [folder for folder in self._rounds if folder.name == self._chosen]
        finished = [folder for folder in reversed(self._rounds) if folder.is_finished()]
        # A model that was applied to a few images is no round to continue from.
        trained = [folder for folder in finished if folder.head().kind == "train"]
        self.round = next(iter(chosen or trained or finished), None)

    def _notify(self, signal: Signal) -> None:
        signal.emit()
        self.state_changed.emit()


_UNKNOWN = object()
