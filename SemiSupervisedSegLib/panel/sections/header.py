"""The top of the panel, always in view: what to do next, and what there is."""

from __future__ import annotations

from slicer.i18n import tr as _

from ...study.model import Role, Study
from ..logic.guidance import next_step
from ..scene.case_scene import CaseScene
from ..session import Session
from .section import Widgets


class Header:
    """Follows the session.

    Args:
        ui: Widgets of SemiSupervisedSeg.ui.
        session: What is open.
        scene: The shown case; it knows where drawings wait.
    """

    def __init__(self, ui: Widgets, session: Session, scene: CaseScene) -> None:
        self.ui, self._session, self._scene = ui, session, scene
        session.state_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the next step, count the cases, and name those with hidden, unsaved drawings."""
        facts = self._session.facts()
        self.ui.guidanceLabel.setText(next_step(facts))
        # In place of one line: what lies below must not move under the mouse.
        reading = _("Reading {case}...").format(case=facts.study.title_of(facts.case_id)) if facts.reading else ""
        self.ui.summaryLabel.setText(reading or ("" if facts.study is None else _summary(facts.study)))
        self.ui.summaryLabel.setVisible(facts.study is not None)
        waiting = _waiting(self._scene.waitingCases(), facts.study)
        self.ui.waitingLabel.setText(waiting)
        self.ui.waitingLabel.setVisible(bool(waiting))


def _summary(study: Study) -> str:
    counts = {role: len(study.cases_of(role)) for role in Role}
    parts = [f"{count} {role.value}" for role, count in counts.items() if count]
    return f"{study.name}: {', '.join(parts) or _('no images yet')}"


def _waiting(places: list[tuple[str, str]], study: Study | None) -> str:
    folder = "" if study is None else str(study.folder)
    titles = {} if study is None else {case.id: case.title for case in study.cases}
    here = [case for place, case in places if place == folder]
    drawn = {
        _("Not saved, waiting in the scene: {names}. Continue with Annotate or Correct."): [
            titles[case] for case in here if case in titles
        ],
        _("Not saved, and not in the study any more: {names}. The drawings are in the scene."): [
            case for case in here if case not in titles
        ],
        _("Not saved: drawings for the study in {names}. Open it to save them."): sorted(
            {place for place, _case in places if place != folder}
        ),
    }
    return "\n".join(words.format(names=", ".join(names)) for words, names in drawn.items() if names)
