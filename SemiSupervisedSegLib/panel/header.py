"""The top of the panel, always in view: what to do next, and what there is."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ..study.model import Role, Study
from .logic.guidance import next_step
from .session import Session


class Header:
    """Follows the session.

    Args:
        ui: the widgets of SemiSupervisedSeg.ui.
        session: what is open.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self.ui, self._session = ui, session
        session.state_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Say what is next and count the cases."""
        facts = self._session.facts()
        self.ui.guidanceLabel.setText(next_step(facts))
        self.ui.summaryLabel.setText("" if facts.study is None else _summary(facts.study))
        self.ui.summaryLabel.setVisible(facts.study is not None)


def _summary(study: Study) -> str:
    counts = {role: len(study.cases_of(role)) for role in Role}
    parts = [f"{count} {role.value}" for role, count in counts.items() if count]
    return f"{study.name}: {', '.join(parts) or _('no images yet')}"
