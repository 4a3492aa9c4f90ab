from __future__ import annotations

import pytest

from SemiSupervisedSegLib.study.case_table import cases_from_table
from SemiSupervisedSegLib.study.cases import add_cases
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Case, Role


def test_table(study, files):
    (files / "cases.csv").write_text(
        "\ufeffImage;Site;Role;Annotation;ID\na.nrrd;here;labeled;a.seg.nrrd;first\nb.nrrd;there;unlabeled;;\n",
        encoding="utf-8",
    )
    assert cases_from_table(study, files / "cases.csv") == [
        Case("first", "../files/a.nrrd", "here", Role.LABELED, "../files/a.seg.nrrd"),
        Case("b", "../files/b.nrrd", "there", Role.UNLABELED),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,site\na.nrrd,here\n", "lacks the column role"),
        ("image,site,role,age\na.nrrd,here,labeled,7\n", "unknown column 'age'"),
        ("image,site,role\na.nrrd,here\n", "Line 2 .* names no role"),
        ("image,site,role\na.nrrd,here,labeled,x\n", "Line 2 .* has more values than columns"),
        ("image,site,role\na.nrrd,here,unlabeled\n,here,unlabeled\n", "Line 3 .* names no image"),
        ("image,site,role\na.nrrd,here,teacher\n", "Line 2 .* no role 'teacher'"),
        ('image,site,role\n"a.nrrd,here,labeled\n', "is damaged"),
        ("", "lacks the column"),
        ("image,site,role\n\n", "has no case"),
        ("image,site,role\na.nrrd,,unlabeled\n", "Line 2 .* names no site"),
        ("image,site,role\nnone.nrrd,here,unlabeled\n", "Case none: There is no file"),
        ("image,site,role,id\na.nrrd,here,unlabeled,x\nb.nrrd,here,unlabeled,X\n", "case id X occurs twice"),
        ("image,site,role,id\na.nrrd,here,unlabeled,x\na.nrrd,here,unlabeled,y\n", "x and y have the same image"),
    ],
)
def test_one_bad_line_adds_nothing(study, files, text, message):
    (files / "cases.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        add_cases(study, cases_from_table(study, files / "cases.csv"))


def test_table_that_is_no_text(study, files):
    with pytest.raises(UserError, match="could not be read"):
        cases_from_table(study, files / "missing.csv")
    (files / "cases.csv").write_bytes(b"\xff\xfeimage")
    with pytest.raises(UserError, match="could not be read"):
        cases_from_table(study, files / "cases.csv")


ROWS = [("image", "site", "role", "annotation", "id"), ("sub\\a.nrrd", "Zürich", "Labeled", "a.seg.nrrd", "c1")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_as_spreadsheets_save_them(study, files, delimiter, encoding):
    lines = [delimiter.join(f' "{value}"'.strip() for value in row) for row in ROWS]
    text = "\r\n".join(["", lines[0].upper(), lines[1] + delimiter * 3, delimiter * 4, ""])
    (files / "t.csv").write_bytes(text.encode(encoding))
    (files / "sub").mkdir()
    (files / "a.nrrd").rename(files / "sub" / "a.nrrd")
    assert cases_from_table(study, files / "t.csv") == [
        Case("c1", "../files/sub/a.nrrd", "Zürich", Role.LABELED, "../files/a.seg.nrrd")
    ]


def test_a_separator_in_a_line_of_its_own_and_trailing_blanks(study, files):
    (files / "t.csv").write_text("sep=;\nrole ; Image; SITE ;;\nunlabeled ; a.nrrd ;here;;\n")
    assert cases_from_table(study, files / "t.csv") == [Case("a", "../files/a.nrrd", "here", Role.UNLABELED)]


def test_a_spreadsheet_and_a_repeated_column_are_refused(study, files):
    (files / "t.csv").write_bytes(b"PK\3\4 and so on")
    with pytest.raises(UserError, match="no CSV file"):
        cases_from_table(study, files / "t.csv")
    (files / "t.csv").write_text("image,site,role,Image\na.nrrd,here,unlabeled,b.nrrd\n")
    with pytest.raises(UserError, match="column image twice"):
        cases_from_table(study, files / "t.csv")
