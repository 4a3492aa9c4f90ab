from __future__ import annotations

import dataclasses
import threading

import pytest

from SemiSupervisedSegLib.panel.session import Session
from SemiSupervisedSegLib.panel.signal import Signal
from SemiSupervisedSegLib.study.cases import assign_cases, remove_cases
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role
from SemiSupervisedSegLib.study.store import load_study, study_lock

from .studies import HOME, STRUCTURES, make_round, make_study


@pytest.fixture
def session(tmp_path):
    made = Session()
    make_study(tmp_path / "study")
    made.open_study(tmp_path / "study")
    return made


def listen(session: Session) -> list[str]:
    heard: list[str] = []
    for name in ("study_changed", "case_changed", "rounds_changed", "state_changed"):
        getattr(session, name).connect(lambda name=name: heard.append(name))
    return heard


def test_a_signal_calls_once_each_and_leaves_out_who_went_meanwhile():
    signal, heard = Signal(), []
    last = lambda value: heard.append(("last", value))  # noqa: E731

    def first(value):
        heard.append(("first", value))
        signal.disconnect(last)

    signal.connect(first)
    signal.connect(first)
    signal.connect(last)
    signal.emit(1)
    assert heard == [("first", 1)]


def test_creating_opens_and_refuses_a_second_study_in_the_same_folder(tmp_path):
    session = Session()
    heard = listen(session)
    session.create_study(tmp_path / "new", "Livers", "MR", HOME, STRUCTURES)
    assert session.folder == tmp_path / "new"
    assert heard == ["study_changed", "rounds_changed", "case_changed", "state_changed"]
    with pytest.raises(UserError, match="There is a study"):
        session.create_study(tmp_path / "new", "Livers", "MR", HOME, STRUCTURES)
    assert session.study.name == "Livers"


def test_a_study_that_cannot_be_opened_leaves_the_open_one(session, tmp_path):
    with pytest.raises(UserError):
        session.open_study(tmp_path / "nothing")
    assert session.study.name == "Livers"


def test_a_change_applies_to_what_is_on_disk_and_tells(session):
    other = Session()
    other.open_study(session.folder)
    other.edit_study(lambda study: assign_cases(study, ["case03"], site="Elsewhere"))
    heard = listen(session)
    session.edit_study(lambda study: assign_cases(study, ["case02"], role=Role.IGNORED))
    on_disk = load_study(session.folder)
    assert on_disk.case("case03").site == "Elsewhere"
    assert on_disk.case("case02").role is Role.IGNORED
    assert session.study == on_disk
    assert heard == ["study_changed", "state_changed"]


def test_a_refused_change_leaves_everything(session):
    before = session.study
    heard = listen(session)
    with pytest.raises(UserError, match="no annotation"):
        session.edit_study(lambda study: assign_cases(study, ["case02", "case03"], role=Role.LABELED))
    assert session.study is before
    assert load_study(session.folder) == before
    assert heard == []


def test_a_change_is_refused_while_another_program_holds_the_lock(session):
    held, done = threading.Event(), threading.Event()

    def hold():
        with study_lock(session.folder):
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with pytest.raises(UserError, match="in use"):
        session.edit_study(lambda study: study)
    done.set()
    holder.join()
    session.edit_study(lambda study: dataclasses.replace(study, name="After"))
    assert session.study.name == "After"


def test_removing_the_shown_case_shows_none(session):
    session.show("case01")
    heard = listen(session)
    session.edit_study(lambda study: remove_cases(study, ["case01"]))
    assert session.case_id is None
    assert heard == ["study_changed", "state_changed", "case_changed", "state_changed"]


def test_what_another_program_changed_is_seen_after_reloading(session):
    session.show("case01")
    other = Session()
    other.open_study(session.folder)
    other.edit_study(lambda study: remove_cases(study, ["case01"]))
    heard = listen(session)
    session.reload()
    assert session.study == other.study
    assert session.case_id is None
    assert heard[0] == "study_changed"
    heard.clear()
    session.reload()
    assert "study_changed" not in heard


def test_an_unknown_case_is_not_shown(session):
    with pytest.raises(UserError):
        session.show("nobody")
    assert session.case_id is None


def test_the_latest_finished_round_is_under_review_unless_another_is_chosen(session):
    assert session.round is None
    make_round(session.study, "001-cu2l")
    make_round(session.study, "002-cpcl")
    unfinished = make_round(session.study, "003-cu2l")
    (unfinished.path / "result.json").unlink()
    session.refresh_rounds()
    assert [folder.name for folder in session.rounds()] == ["001-cu2l", "002-cpcl", "003-cu2l"]
    assert session.round.name == "002-cpcl"
    session.choose_round("001-cu2l")
    assert (session.round.name, session.chosen_round) == ("001-cu2l", "001-cu2l")
    session.choose_round(None)
    assert session.round.name == "002-cpcl"
    with pytest.raises(UserError):
        session.choose_round("004-none")


def test_a_damaged_result_does_not_count_as_finished(session):
    make_round(session.study, "001-cu2l")
    (make_round(session.study, "002-cu2l").path / "result.json").write_text("{")
    session.refresh_rounds()
    assert session.round.name == "001-cu2l"


def test_noting_the_same_again_tells_nobody(session):
    heard = listen(session)
    session.set_facts(selected_cases=3)
    session.set_facts(selected_cases=3)
    assert heard == ["state_changed"]
    assert session.facts().selected_cases == 3


def test_opening_with_a_case_shows_it_if_it_is_there(session):
    session.open_study(session.folder, "case02")
    assert session.case_id == "case02"
    session.open_study(session.folder, "nobody")
    assert session.case_id is None


def test_nothing_is_written_to_a_study_that_was_moved(session, tmp_path):
    study = make_study(tmp_path / "other")
    session.open_study(study.folder)
    study.folder.rename(tmp_path / "moved")
    for action in (session.check_in_place, session.reload, lambda: session.edit_study(lambda study: study)):
        with pytest.raises(UserError, match="any more"):
            action()
    assert not study.folder.exists()
