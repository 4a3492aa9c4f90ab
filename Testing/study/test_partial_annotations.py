"""Cases that are annotated for some structures only: in the file, from tables and the command line, and checked."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from SemiSupervisedSegLib.__main__ import main
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.case_table import cases_from_table
from SemiSupervisedSegLib.study.cases import change_cases
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Case, Role
from SemiSupervisedSegLib.study.partial_annotations import case_structures, check_fully_annotated
from SemiSupervisedSegLib.study.store import load_study, save_study

from .conftest import STRUCTURES, with_case


@pytest.fixture
def wall_only(files, make_classes, make_image):
    """The annotation of a.nrrd with nothing but the wall."""
    classes = np.zeros((5, 12, 10), np.uint8)
    classes[:, 8:10, 2:6] = 2
    write_segmentation(files / "a.seg.nrrd", make_image(classes), STRUCTURES)
    return files


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, None),
        ("", None),
        ("all", None),
        (" ALL ", None),
        ("wall", ("wall",)),
        (" Wall ", ("wall",)),
        ("wall+chamber", None),
        (["wall"], ("wall",)),
        (["wall", "chamber"], None),
        ([], None),
    ],
)
def test_names_are_read_as_the_user_meant_them(wanted, expected):
    assert case_structures(STRUCTURES, wanted) == expected


def test_a_name_with_the_separator_is_a_name():
    structures = (*STRUCTURES, dataclasses.replace(STRUCTURES[0], name="wall+fat", label=9))
    assert case_structures(structures, "wall+fat") == ("wall+fat",)
    assert case_structures(structures, "wall+chamber") == ("chamber", "wall")


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(UserError, match="no structure 'valve'") as caught:
        case_structures(STRUCTURES, "wall+valve")
    assert "chamber, wall" in caught.value.advice


def test_only_a_partial_study_needs_the_new_format(study, files, wall_only):
    full = with_case(study, files / "b.nrrd", site="here", role="labeled", annotation=files / "b.seg.nrrd")
    save_study(full)
    assert json.loads((study.folder / STUDY_FILE).read_text())["schema_version"] == 1
    partial = with_case(
        full,
        files / "a.nrrd",
        site="here",
        role="labeled",
        annotation=files / "a.seg.nrrd",
        structures="wall",
    )
    save_study(partial)
    content = json.loads((study.folder / STUDY_FILE).read_text())
    assert content["schema_version"] == 2
    assert [case.get("structures") for case in content["cases"]] == [None, ["wall"]]
    assert load_study(study.folder) == partial
    assert [item.name for item in partial.structures_of(partial.case("a"))] == ["wall"]
    assert partial.structures_of(partial.case("b")) == STRUCTURES


@pytest.mark.parametrize(
    ("structures", "message"),
    [(["valve"], "'valve', which the study"), ([], "no structure"), (["wall", "wall"], "twice"), ("wall", "a list")],
)
def test_damaged_structures_of_a_case_are_named(study, structures, message):
    save_study(dataclasses.replace(study, cases=(Case("a", "a.nrrd", "here", Role.UNLABELED, None, ("wall",)),)))
    content = json.loads((study.folder / STUDY_FILE).read_text())
    content["cases"][0]["structures"] = structures
    (study.folder / STUDY_FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        load_study(study.folder)


def test_an_annotation_with_more_than_the_case_has_is_refused(study, files):
    with pytest.raises(UserError, match=r"Case a: .* contains 'chamber', which its case is not") as caught:
        with_case(
            study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd", structures="wall"
        )
    assert caught.value.advice


def test_tables_have_a_column_for_it(study, files, wall_only):
    (files / "t.csv").write_text(
        "image;site;role;annotation;structures\na.nrrd;here;labeled;a.seg.nrrd;Wall\nb.nrrd;here;unlabeled;;chamber\n"
    )
    cases = cases_from_table(study, files / "t.csv")
    assert [case.structures for case in cases] == [("wall",), ("chamber",)]
    (files / "u.csv").write_text("image,site,role,structures\nb.nrrd,here,unlabeled,valve\n")
    with pytest.raises(UserError, match=r"Line 2 of u.csv: .*'valve'"):
        cases_from_table(study, files / "u.csv")


def test_changing_checks_the_annotation_again(study, files):
    full = with_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd")
    with pytest.raises(UserError, match="contains 'chamber'"):
        change_cases(full, ["a"], structures="wall")
    changed = change_cases(full, ["a"], structures=["chamber", "wall"])
    assert changed.case("a").structures is None


def test_the_command_line_adds_changes_and_shows(study, files, wall_only, capsys):
    folder, image = str(study.folder), str(files / "a.nrrd")
    where = ["--site", "here", "--role", "labeled", "--annotation", str(files / "a.seg.nrrd")]
    assert main(["study", "add", folder, image, *where, "--structures", "wall"]) == 0
    assert load_study(folder).case("a").structures == ("wall",)
    main(["study", "show", folder])
    shown = capsys.readouterr().out
    assert "annotated for" in shown
    assert shown.count("wall") == 2
    assert main(["study", "change", folder, "a", "--structures", "all"]) == 0
    assert load_study(folder).case("a").structures is None
    main(["study", "show", folder])
    assert "annotated for" not in capsys.readouterr().out


def test_methods_that_need_all_structures_name_the_cases_that_have_some():
    case = Case("a", "a.nrrd", "here", Role.LABELED, "a.seg.nrrd", ("wall",))
    with pytest.raises(UserError, match=r"Supervised needs annotations of all structures.*: a") as caught:
        check_fully_annotated([case], "Supervised")
    assert "UniSeMi" in caught.value.advice


def test_only_labeled_cases_count():
    cases = [Case(str(role), "a", "here", role, None, ("wall",)) for role in Role if role is not Role.LABELED]
    check_fully_annotated(cases, "Supervised")
