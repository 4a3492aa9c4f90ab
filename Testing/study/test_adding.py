from __future__ import annotations

import os

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.study.adding import add_case, add_from_pattern, add_from_table, default_id
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Case, Role
from SemiSupervisedSegLib.study.store import load_study


def test_case_elsewhere_is_referenced(study, files):
    grown = add_case(study, files / "a.nrrd", site="here", role="labeled", annotation=files / "a.seg.nrrd")
    expected = Case("a", f"{files}/a.nrrd", "here", Role.LABELED, f"{files}/a.seg.nrrd")
    assert grown.cases == (expected,)
    assert load_study(study.folder) == grown
    assert sorted(item.name for item in study.folder.iterdir()) == [STUDY_FILE]


def test_paths_inside_the_study_are_relative(study, make_image, monkeypatch):
    (study.folder / "images").mkdir()
    sitk.WriteImage(make_image(), str(study.folder / "images" / "a.nrrd"))
    monkeypatch.chdir(study.folder / "images")
    grown = add_case(study, "../images/a.nrrd", site="here", role=Role.UNLABELED)
    assert grown.cases[0].image == "images/a.nrrd"


def test_links_are_kept_as_they_are(study, files, tmp_path):
    """Data managers keep the files elsewhere under names that change."""
    link = tmp_path / "patient.nrrd"
    os.symlink(files / "a.nrrd", link)
    grown = add_case(study, link, site="here", role="unlabeled")
    assert (grown.cases[0].id, grown.cases[0].image) == ("patient", str(link))


@pytest.mark.parametrize(
    ("name", "case_id"),
    [
        ("a.nii.gz", "a"),
        ("a.b.nrrd", "a.b"),
        ("x.SEG.NRRD", "x"),
        ("Müller 3.mha", "M-ller-3"),
        ("_a.nrrd", "a"),
        ("..nrrd", "case"),
        ("a" * 150 + ".nrrd", "a" * 100),
    ],
)
def test_default_id(name, case_id):
    assert default_id(f"/data/{name}") == case_id


def test_folder_keeps_its_dots(tmp_path):
    (tmp_path / "1.2.3").mkdir()
    assert default_id(tmp_path / "1.2.3") == "1.2.3"


def test_pattern(study, files):
    grown = add_from_pattern(
        study, f"{files}/?.nrrd", site="here", role="labeled", annotations=f"{files}/{{id}}.seg.nrrd"
    )
    assert [(case.id, case.annotation) for case in grown.cases] == [(n, f"{files}/{n}.seg.nrrd") for n in "ab"]
    assert load_study(study.folder) == grown


def test_table(study, files):
    (files / "cases.csv").write_text(
        "\ufeffImage;Site;Role;Annotation;ID\na.nrrd;here;labeled;a.seg.nrrd;first\nb.nrrd;there;unlabeled;;\n",
        encoding="utf-8",
    )
    grown = add_from_table(study, files / "cases.csv")
    assert grown.cases == (
        Case("first", f"{files}/a.nrrd", "here", Role.LABELED, f"{files}/a.seg.nrrd"),
        Case("b", f"{files}/b.nrrd", "there", Role.UNLABELED),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,site\na.nrrd,here\n", "lacks the column role"),
        ("image,site,role,age\na.nrrd,here,labeled,7\n", "unknown column 'age'"),
        ("image,site,role\na.nrrd,here\n", "Line 2 .* more or fewer"),
        ("image,site,role\na.nrrd,here,labeled,x\n", "Line 2 .* more or fewer"),
        ("image,site,role\na.nrrd,here,unlabeled\n,here,unlabeled\n", "Line 3 .* names no image"),
        ("image,site,role\na.nrrd,here,teacher\n", "Line 2 .* no role 'teacher'"),
        ('image,site,role\n"a.nrrd,here,labeled\n', "is damaged"),
        ("", "lacks the column"),
        ("image,site,role\na.nrrd,,unlabeled\n", "'site'"),
        ("image,site,role\nnone.nrrd,here,unlabeled\n", "Case none: There is no file"),
        ("image,site,role,id\na.nrrd,here,unlabeled,x\nb.nrrd,here,unlabeled,X\n", "case id x occurs twice"),
        ("image,site,role,id\na.nrrd,here,unlabeled,x\na.nrrd,here,unlabeled,y\n", "x and y have the same image"),
    ],
)
def test_one_bad_line_adds_nothing(study, files, text, message):
    (files / "cases.csv").write_text(text)
    before = (study.folder / STUDY_FILE).read_bytes()
    with pytest.raises(UserError, match=message):
        add_from_table(study, files / "cases.csv")
    assert (study.folder / STUDY_FILE).read_bytes() == before


def test_table_that_is_no_text(study, files):
    with pytest.raises(UserError, match="could not be read"):
        add_from_table(study, files / "missing.csv")
    (files / "cases.csv").write_bytes(b"\xff\xfe\x00image")
    with pytest.raises(UserError, match="could not be read"):
        add_from_table(study, files / "cases.csv")


def test_one_bad_case_adds_none(study, files, make_classes, structures):
    before = (study.folder / STUDY_FILE).read_bytes()
    write_segmentation(files / "b.seg.nrrd", make_classes(size=(10, 12, 7)), structures)
    with pytest.raises(UserError, match=r"Case b: .* different grids"):
        add_from_pattern(study, f"{files}/?.nrrd", site="h", role="labeled", annotations=f"{files}/{{id}}.seg.nrrd")
    assert (study.folder / STUDY_FILE).read_bytes() == before


def test_bad_patterns(study, files):
    with pytest.raises(UserError, match="No image matches"):
        add_from_pattern(study, f"{files}/*.mha", site="h", role="unlabeled")
    with pytest.raises(UserError, match=r"has no \{id\}"):
        add_from_pattern(study, f"{files}/?.nrrd", site="h", role="labeled", annotations="labels/a.nrrd")


def test_no_space_left(study, files, largest_file):
    before = (study.folder / STUDY_FILE).read_bytes()
    with largest_file(100), pytest.raises(UserError, match="no space left"):
        add_case(study, files / "a.nrrd", site="here", role="unlabeled")
    assert (study.folder / STUDY_FILE).read_bytes() == before
    assert sorted(item.name for item in study.folder.iterdir()) == [STUDY_FILE]
