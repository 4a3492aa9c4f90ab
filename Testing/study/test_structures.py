from __future__ import annotations

import dataclasses

import pytest

from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Case, Role, Structure
from SemiSupervisedSegLib.study.store import load_study, save_study
from SemiSupervisedSegLib.study.structures import (
    add_structure,
    add_structures,
    recolor_structure,
    remove_structure,
    rename_structure,
    replace_structures,
)


def annotated(study):
    cases = (
        Case("a", "a.nrrd", "here", Role.LABELED, "a.seg.nrrd"),
        Case("b", "b.nrrd", "here", Role.UNLABELED),
    )
    return dataclasses.replace(study, cases=cases)


def test_a_new_structure_comes_last_with_a_label_above_all_others(structures):
    grown = add_structure(structures, " scar ")
    assert grown[:2] == structures
    assert (grown[2].name, grown[2].label) == ("scar", 8)
    again = add_structure(remove_structure(grown, 3), "clot")
    assert [item.label for item in again] == [7, 8, 9]


@pytest.mark.parametrize("name", ["", "   ", "Chamber", "x" * 101, "a\nb"])
def test_a_name_that_cannot_be_used_is_refused(structures, name):
    with pytest.raises(UserError):
        add_structure(structures, name)
    with pytest.raises(UserError):
        rename_structure(structures, 7, name)


def test_label_values_end_at_255():
    with pytest.raises(UserError, match="255"):
        add_structure((Structure("last", 255, (0, 0, 0)),), "more")


def test_structures_of_a_segmentation_are_joined_by_name(structures):
    others = (Structure("CHAMBER", 1, (9, 9, 9)), Structure("scar", 7, (1, 2, 3), "code"))
    assert add_structures((), others) == others
    joined = add_structures(structures, others)
    assert joined[:2] == structures
    assert joined[2:] == (Structure("scar", 8, (1, 2, 3), "code"),)
    with pytest.raises(UserError, match="already"):
        add_structures((), (others[0], dataclasses.replace(others[0], label=2, name="chamber")))


def test_names_change_freely_before_the_first_annotation(study):
    renamed = replace_structures(study, rename_structure(study.structures, 3, "ventricle"))
    assert [(item.name, item.label) for item in renamed.structures] == [("ventricle", 3), ("wall", 7)]
    assert replace_structures(renamed, remove_structure(renamed.structures, 3)).structures[0].label == 7


def test_names_and_places_stay_once_a_case_is_annotated(study):
    study = annotated(study)
    with pytest.raises(UserError, match="a is annotated"):
        replace_structures(study, rename_structure(study.structures, 3, "ventricle"))
    with pytest.raises(UserError):
        replace_structures(study, remove_structure(study.structures, 7))
    with pytest.raises(UserError):
        replace_structures(study, study.structures[::-1])
    recolored = replace_structures(study, recolor_structure(study.structures, 3, (1, 2, 3)))
    assert recolored.structures[0].color == (1, 2, 3)
    assert recolored.cases == study.cases


def test_a_structure_added_later_is_unknown_to_cases_annotated_before(study):
    study = annotated(study)
    grown = replace_structures(study, add_structure(study.structures, "scar"))
    assert grown.case("a").structures == ("chamber", "wall")
    assert grown.case("b").structures is None
    save_study(grown)
    assert load_study(grown.folder) == grown
