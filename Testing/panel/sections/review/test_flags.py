from __future__ import annotations

import qt
import slicer

from SemiSupervisedSegLib.jobs.results import CaseSummary, write_summary
from SemiSupervisedSegLib.panel.logic.quality import QualityFlag
from SemiSupervisedSegLib.panel.sections.review.model import FLAGS

from ...studies import make_round


def test_what_is_rarely_right_in_a_result_is_in_the_list_and_said_when_it_is_shown(panel, spin):
    study, review = panel.session.study, panel.sections["Review"]
    folder = make_round(study, "001-cu2l", dict.fromkeys(("case02", "case03"), 0.1))
    summary = CaseSummary("case03", {"liver": 3.0}, {"liver": 3.0}, {"liver": 1.0}, 0.1, 0.0)
    summary.flags["liver"] = ("several_pieces", "touches_border")
    write_summary(folder.predictions / "case03", summary)
    panel.session.refresh_rounds()
    spin(lambda: review.model.rowCount() == 2)
    index = review.model.index(review.model.rowOf("case03"), FLAGS)
    assert review.model.data(index) == "⚠ 2"
    words = review.model.data(index, qt.Qt.ToolTipRole)
    assert words == "liver has several pieces.\nliver touches the border of the image and may be cut off."
    other = review.model.index(review.model.rowOf("case02"), FLAGS)
    assert (review.model.data(other), review.model.data(other, qt.Qt.ToolTipRole)) == ("", "")
    panel.session.show("case03")
    assert review.ui.flagsLabel.text == words
    panel.session.show("case02")
    assert not review.ui.flagsLabel.text
    review.model.sort(FLAGS, qt.Qt.DescendingOrder)
    assert review.model.caseIds() == ["case03", "case02"]


def test_the_buttons_of_a_decision_stay_under_the_mouse_whatever_is_flagged(panel):
    """Who accepts one image after the other must not hit Undo because the next image has a flag more or less."""
    ui, view = panel.sections["Review"].ui, panel.sections["Review"].view
    panel.goTo("Review")
    panel.widget.resize(400, 2000)
    panel.widget.show()
    places = []
    # The first two only let the panel settle.
    for count in (1, 0, 0, 1):
        view.showFlags([QualityFlag("liver", "several_pieces")] * count)
        slicer.app.processEvents()
        places.append([button.y for button in (ui.acceptButton, ui.correctButton, ui.rejectButton, ui.undoButton)])
    assert ui.flagsLabel.visible and places[2] == places[3] and len(set(places[2])) == 2
