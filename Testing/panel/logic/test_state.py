"""Every action in every situation: allowed, or the reason why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.logic.guidance import next_step
from SemiSupervisedSegLib.panel.logic.state import Action, Facts, PanelState, Run, availability, state_of
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study

EMPTY = Study(Path("/study"), "Hearts", Modality.MR, "here", (Structure("wall", 1, (255, 0, 0)),))
ROUND = JobFolder("/study/rounds/001-cu2l")


def with_cases(*cases: tuple[str, str, bool]) -> Study:
    """A study of cases by role, site and whether they are annotated."""
    made = [
        Case(f"case-{number}", "a.nrrd", site, Role(role), "a.seg.nrrd" if annotated else None)
        for number, (role, site, annotated) in enumerate(cases)
    ]
    return dataclasses.replace(EMPTY, cases=tuple(made))


BARE = with_cases(("unlabeled", "here", False))
FULL = with_cases(
    ("labeled", "here", True),
    ("unlabeled", "here", False),
    ("unlabeled", "there", False),
    ("validation", "here", True),
)
READY = Facts(study=FULL, case_id="case-0", method="cu2l", selected_cases=1)
REVIEWING = dataclasses.replace(READY, rounds=(ROUND,), round=ROUND, predicted=True)
SITUATIONS = {
    PanelState.NO_STUDY: Facts(method="cu2l"),
    PanelState.NO_CASES: Facts(study=EMPTY, method="cu2l"),
    PanelState.ANNOTATING: Facts(study=BARE, method="cu2l"),
    PanelState.READY: READY,
    PanelState.INSTALLING: dataclasses.replace(READY, installing=True, missing_packages=("torch",)),
    PanelState.RUNNING: dataclasses.replace(REVIEWING, run=Run("002-cu2l")),
    PanelState.STOPPING: dataclasses.replace(REVIEWING, run=Run("002-cu2l", stopping=True)),
    PanelState.INTERRUPTED: dataclasses.replace(READY, rounds=(ROUND,), resumable="001-cu2l"),
    PanelState.REVIEWING: REVIEWING,
}
_CASE_WORK = {Action.ADD_CASES, Action.SHOW_CASE, Action.CHANGE_CASES, Action.REMOVE_CASES, Action.ANNOTATE}
_STUDY_WORK = {Action.CREATE_STUDY, Action.OPEN_STUDY, Action.CLOSE_STUDY, Action.EDIT_STRUCTURES}
_IDLE_WORK = {Action.SET_UP_TRAINING, Action.FREE_CACHE, Action.DELETE_ROUND}
_RESULTS = {
    Action.STEP_THROUGH_CASES,
    Action.COMPARE,
    Action.CORRECT,
    Action.ACCEPT,
    Action.REJECT,
    Action.NEXT_ROUND,
    Action.EXPORT_CASES,
    Action.EXPORT_MODEL,
    Action.OPEN_REPORT,
}
ALLOWED = {
    PanelState.NO_STUDY: {Action.CREATE_STUDY, Action.OPEN_STUDY},
    PanelState.NO_CASES: {*_STUDY_WORK, *_IDLE_WORK, Action.ADD_CASES, Action.APPLY_MODEL},
    PanelState.ANNOTATING: {
        *_STUDY_WORK,
        *_IDLE_WORK,
        Action.ADD_CASES,
        Action.SHOW_CASE,
        Action.ANNOTATE,
        Action.APPLY_MODEL,
    },
    PanelState.READY: {
        *_STUDY_WORK,
        *_IDLE_WORK,
        *_CASE_WORK,
        Action.EXPORT_CASES,
        Action.START,
        Action.COMPARE_METHODS,
        Action.APPLY_MODEL,
    },
    PanelState.INSTALLING: {*_STUDY_WORK, *_CASE_WORK, Action.EXPORT_CASES, Action.FREE_CACHE, Action.DELETE_ROUND},
    PanelState.RUNNING: {*_CASE_WORK, *_RESULTS, Action.STOP},
    PanelState.STOPPING: {*_CASE_WORK, *_RESULTS, Action.END_NOW},
    PanelState.INTERRUPTED: {
        *_STUDY_WORK,
        *_IDLE_WORK,
        *_CASE_WORK,
        Action.EXPORT_CASES,
        Action.START,
        Action.COMPARE_METHODS,
        Action.RESUME,
        Action.APPLY_MODEL,
    },
    PanelState.REVIEWING: {
        *_STUDY_WORK,
        *_IDLE_WORK,
        *_CASE_WORK,
        *_RESULTS,
        Action.START,
        Action.COMPARE_METHODS,
        Action.APPLY_MODEL,
    },
}


def test_every_state_has_a_situation() -> None:
    assert set(SITUATIONS) == set(PanelState) == set(ALLOWED)


@pytest.mark.parametrize("state", PanelState)
def test_the_table_of_all_actions(state: PanelState) -> None:
    facts = SITUATIONS[state]
    assert state_of(facts) is state
    assert {action for action in Action if not availability(facts, action)} == ALLOWED[state]
    for action in set(Action) - ALLOWED[state]:
        assert_is_sentence(availability(facts, action))
    assert_is_sentence(next_step(facts))


@pytest.mark.parametrize(
    "state", [PanelState.RUNNING, PanelState.STOPPING, PanelState.INTERRUPTED, PanelState.REVIEWING]
)
def test_sentences_name_a_round_that_applied_a_model_in_words(state: PanelState) -> None:
    facts, name = SITUATIONS[state], "007-predict"
    run = None if facts.run is None else dataclasses.replace(facts.run, name=name, kind="predict")
    resumable = name if facts.resumable else ""
    facts = dataclasses.replace(facts, run=run, resumable=resumable, round=JobFolder(f"/study/rounds/{name}"))
    facts = dataclasses.replace(facts, predicted=False, case_id=facts.case_id or "a")
    sentences = {next_step(facts), *(availability(facts, action) for action in Action)}
    named = [sentence for sentence in sentences if "007" in sentence]
    assert next_step(facts) in named
    assert all("007 (model applied)" in sentence for sentence in named)


@pytest.mark.parametrize(
    ("changes", "action", "words"),
    [
        ({"missing_packages": ("torch!=2.9.*,>=2.6", "monai>=1.5")}, Action.START, "Not installed yet: torch, monai."),
        ({"device_problem": "PyTorch could not be loaded."}, Action.START, "PyTorch"),
        ({"method": ""}, Action.START, "method"),
        ({"study": with_cases(("labeled", "here", True))}, Action.START, "local site"),
        ({"study": with_cases(("labeled", "here", True), ("unlabeled", "here", False))}, Action.START, "other sites"),
        ({"selected_cases": 0}, Action.CHANGE_CASES, "Select"),
        ({"case_id": None}, Action.ACCEPT, "double-click"),
        ({"predicted": False}, Action.CORRECT, "not segmented"),
        ({"editing": True}, Action.CORRECT, "Save the annotation"),
        ({"editing": False}, Action.SAVE_ANNOTATION, "No annotation"),
        ({"run": Run("4-x", kind="predict")}, Action.START, "being segmented"),
        ({"run": Run("4-x", kind="compare")}, Action.START, "being compared"),
        ({"study": with_cases(("labeled", "here", True))}, Action.COMPARE_METHODS, "only one annotated image"),
    ],
)
def test_reasons_name_what_is_in_the_way(changes: dict, action: Action, words: str) -> None:
    reason = availability(dataclasses.replace(REVIEWING, **changes), action)
    assert words in reason
    assert_is_sentence(reason)


def test_a_run_that_needs_nobody_does_not_hold_the_study() -> None:
    for run in (Run("002-cu2l", detached=True), Run("002-cu2l", detached=True, externallyStarted=True)):
        facts = dataclasses.replace(REVIEWING, run=run)
        assert availability(facts, Action.OPEN_STUDY) == ""
        assert availability(facts, Action.START) != ""
        assert availability(facts, Action.STOP) == ""


def assert_is_sentence(text: str) -> None:
    assert text[:1].isupper() or text.startswith("case-") or text[:1].isdigit(), text
    assert text.endswith("."), text


def test_another_machine_has_its_own_packages_and_devices():
    bare = dataclasses.replace(
        REVIEWING, continuable="001-cu2l", missing_packages=("torch",), device_problem="There is no device."
    )
    elsewhere = dataclasses.replace(bare, machine="box")
    for action in (Action.START, Action.CONTINUE, Action.COMPARE_METHODS):
        assert availability(bare, action)
        assert not availability(elsewhere, action)
    stopped = dataclasses.replace(bare, resumable="002-cu2l")
    assert "torch" in availability(stopped, Action.RESUME)
    # Where it was begun decides, not what is chosen for the next round.
    assert "torch" in availability(dataclasses.replace(stopped, machine="box"), Action.RESUME)
    assert not availability(dataclasses.replace(stopped, resumable_on="box"), Action.RESUME)


def test_the_first_sentence_names_the_machine():
    running = dataclasses.replace(READY, run=Run("002-cu2l", machine="box"))
    assert next_step(running).startswith("Training on box: ")
    assert "Install" not in next_step(dataclasses.replace(READY, machine="box", missing_packages=("torch",)))
