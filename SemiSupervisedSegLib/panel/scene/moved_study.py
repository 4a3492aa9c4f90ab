"""A scene whose study was moved: its nodes follow the study when the user opens it where it is now."""

from __future__ import annotations

from pathlib import Path

from ...study.errors import UserError
from ..session import Session
from .parameter_node import ROUND, SHOWN_CASE, ParameterNode
from .tags import caseOf, kindOf, moveSource, studyOf, tag, taggedNodes


class MovedStudy:
    """Connects a scene that names a study which is gone with the study that the user opens.

    The nodes are changed before the sections and the scene of the case see the opened study: later they would count as
    those of another study.

    Args:
        session: Session; nothing else is connected to its signals before.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: tuple[str, str] | None = None
        session.study_changed.connect(self._adopt)
        session.state_changed.connect(self._show)

    def _adopt(self) -> None:
        study, parameters = self._session.study, ParameterNode()
        lost = parameters.lostFolder()
        if study is None or not lost:
            return
        nodes = [node for node in taggedNodes() if Path(studyOf(node)) == Path(lost)]
        cases = {case.id: case for case in study.cases}
        shown = parameters.get(SHOWN_CASE)
        # A study of other cases is another study.
        if not {shown or None, *map(caseOf, nodes)} - {None} <= set(cases):
            return
        for node in nodes:
            moveSource(node, Path(lost), study.folder)
            tag(node, study, cases[caseOf(node)], kindOf(node))
        if shown and self._session.case_id is None:
            self._shown = (shown, parameters.get(ROUND))

    def _show(self) -> None:
        shown, self._shown = self._shown, None
        if shown is None or self._session.study is None:
            return
        caseId, roundName = shown
        try:
            self._session.choose_round(roundName or None)
        except UserError:
            # The round was deleted since; the latest one is as good.
            self._session.choose_round(None)
        self._session.show(caseId)
