from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.accepting import accept, prediction_writer, take_back
from SemiSupervisedSegLib.panel.logic.decisions import Decision, read_decisions, write_decisions
from SemiSupervisedSegLib.panel.session import Session
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role, Structure


class Loop:
    """A study with a labeled, a validation and an unlabeled case, and what a round predicted for each of them."""

    def __init__(self, folder: Path) -> None:
        self.session = Session()
        study = generate_study(folder, labeled=1, unlabeled=1, external=0, validation=1, size=(24, 24, 4))
        self.session.open_study(study.folder)
        self.round = next_round(study.folder, "supervised")
        for case in study.cases:
            self.predict(case.id)

    @property
    def study(self):
        return self.session.study

    def case(self, role: Role):
        return self.study.cases_of(role)[0]

    def predict(self, case_id: str, structures=None, shift: int = 0) -> np.ndarray:
        image = read_image(self.study.image_path(self.study.case(case_id)))
        classes = np.zeros(image.GetSize()[::-1], np.uint8)
        classes[1:3, 4:9, 4 + shift : 9 + shift] = 1
        made = sitk.GetImageFromArray(classes)
        made.CopyInformation(image)
        place = self.round.predictions / case_id
        place.mkdir(parents=True, exist_ok=True)
        for name in ("final", "prototype"):
            write_segmentation(place / f"{name}.seg.nrrd", made, structures or self.study.structures)
        return classes

    def accept(self, case_id: str, *, use_for_training: bool = True, write=None) -> Decision:
        kept = []

        def change(study):
            changed, decision = accept(
                study, case_id, write or prediction_writer(self.round, "final"), use_for_training=use_for_training
            )
            kept.append(decision)
            return changed

        self.session.edit_study(change)
        return kept[0]

    def annotation(self, case_id: str) -> np.ndarray:
        case = self.study.case(case_id)
        image = read_image(self.study.image_path(case))
        return sitk.GetArrayFromImage(
            read_annotation(self.study.annotation_path(case), self.study.structures, image, case.structures)
        )


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path / "study")


def test_an_accepted_prediction_is_the_annotation_of_a_labeled_case(loop):
    case = loop.case(Role.UNLABELED)
    expected = loop.predict(case.id, shift=3)
    loop.accept(case.id)
    accepted = loop.study.case(case.id)
    assert accepted.role is Role.LABELED
    assert accepted.annotation.startswith("annotations/")
    assert np.array_equal(loop.annotation(case.id), expected)


def test_the_role_stays_when_the_user_wants_so_and_validation_always_stays(loop):
    unlabeled, validation = loop.case(Role.UNLABELED), loop.case(Role.VALIDATION)
    loop.accept(unlabeled.id, use_for_training=False)
    loop.accept(validation.id)
    assert loop.study.case(unlabeled.id).role is Role.UNLABELED
    assert loop.study.case(unlabeled.id).annotation is not None
    assert loop.study.case(validation.id).role is Role.VALIDATION


def test_annotations_are_kept_however_often_a_case_is_accepted(loop):
    case = loop.case(Role.LABELED)
    own = loop.study.annotation_path(case)
    before = own.read_bytes()
    contents = {own: before}
    for shift in (1, 2, 3):
        loop.predict(case.id, shift=shift)
        loop.accept(case.id)
        path = loop.study.annotation_path(loop.study.case(case.id))
        assert path not in contents
        contents[path] = path.read_bytes()
    assert len(set(contents.values())) == 4
    assert all(path.read_bytes() == content for path, content in contents.items())


def test_an_accept_can_be_taken_back(loop):
    for role in (Role.LABELED, Role.UNLABELED, Role.VALIDATION):
        case = loop.case(role)
        decision = loop.accept(case.id)
        stored = loop.study.annotation_path(loop.study.case(case.id))
        assert loop.study.case(case.id) != case
        loop.session.edit_study(lambda study, case=case, decision=decision: take_back(study, case.id, decision))
        assert loop.study.case(case.id) == case
        assert stored.exists()


def test_an_accept_is_not_taken_back_over_a_later_annotation(loop):
    case = loop.case(Role.UNLABELED)
    first = loop.accept(case.id)
    loop.accept(case.id)
    later = loop.study
    with pytest.raises(UserError, match="another annotation"):
        loop.session.edit_study(lambda study: take_back(study, case.id, first))
    assert loop.study == later


def test_when_writing_fails_the_study_stays_as_it_was(loop):
    case, before = loop.case(Role.UNLABELED), loop.study

    def fail(study, case, target):
        raise UserError("The disk is full.")

    with pytest.raises(UserError, match="full"):
        loop.accept(case.id, write=fail)
    loop.session.reload()
    assert loop.study == before
    assert not list((before.folder / "annotations").glob(f"{case.id}*"))


def test_a_structure_that_the_study_lost_is_said(loop):
    case = loop.case(Role.UNLABELED)
    loop.predict(case.id, structures=(Structure("appendix", 1, (1, 2, 3)), *loop.study.structures[1:]))
    with pytest.raises(UserError, match="appendix"):
        loop.accept(case.id)


def test_a_prediction_of_some_structures_annotates_these_only(loop):
    case = loop.case(Role.UNLABELED)
    assert len(loop.study.structures) > 1
    loop.predict(case.id, structures=loop.study.structures[:1])
    loop.accept(case.id)
    assert loop.study.case(case.id).structures == (loop.study.structures[0].name,)


def test_an_image_that_changed_since_is_noticed(loop):
    case = loop.case(Role.UNLABELED)
    image = read_image(loop.study.image_path(case))
    image.SetSpacing([2 * part for part in image.GetSpacing()])
    sitk.WriteImage(image, str(loop.study.image_path(case)))
    with pytest.raises(UserError, match="has changed"):
        loop.accept(case.id)


def test_an_image_that_was_only_written_again_is_no_reason_to_refuse(loop):
    case = loop.case(Role.UNLABELED)
    os.utime(loop.study.image_path(case))
    loop.accept(case.id)
    assert loop.study.case(case.id).annotation is not None


def test_decisions_survive_on_disk(loop):
    case = loop.case(Role.LABELED)
    decisions = {case.id: loop.accept(case.id), "other": Decision("rejected")}
    write_decisions(loop.round, decisions)
    assert read_decisions(loop.round) == decisions
    assert read_decisions(loop.round)[case.id].before.annotation == case.annotation


@pytest.mark.parametrize("content", ["{", "[]", '{"a": {"verdict": "perhaps"}}', '{"a": 3}'])
def test_damaged_decisions_are_said_and_left_alone(loop, content):
    (loop.round.path / "review.json").write_text(content)
    with pytest.raises(UserError, match=r"review\.json"):
        read_decisions(loop.round)
    assert (loop.round.path / "review.json").read_text() == content
