from __future__ import annotations

import argparse

import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.commands import study as command
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.layout import STUDY_FILE
from SemiSupervisedSegLib.study.model import Modality, Role, Structure
from SemiSupervisedSegLib.study.store import load_study, study_lock


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    options = parser.parse_args(["study", *map(str, arguments)])
    return options.run(options)


def test_create_with_structures(tmp_path, capsys):
    structures = ["--structure", "left ventricle=3:#ff8800", "--structure", "wall", "--structure", "right:#010203"]
    assert run("create", tmp_path / "s", "--name", "Hearts", "--modality", "CT", "--site", "here", *structures) == 0
    study = load_study(tmp_path / "s")
    assert (study.name, study.modality, study.local_site) == ("Hearts", Modality.CT, "here")
    assert [item.label for item in study.structures] == [3, 1, 2]
    assert study.structures[0] == Structure("left ventricle", 3, (255, 136, 0))
    assert study.structures[2].color == (1, 2, 3)
    assert "3 structures: left ventricle, wall, right" in capsys.readouterr().out


def test_create_from_a_segmentation(tmp_path, files, structures):
    source = files / "a.seg.nrrd"
    run("create", tmp_path / "s", "--name", "n", "--modality", "MR", "--site", "x", "--structures-from", source)
    assert load_study(tmp_path / "s").structures == structures


@pytest.mark.parametrize("text", ["", "=3", "a=0", "a=256"])
def test_create_refuses_bad_structures(tmp_path, text):
    with pytest.raises(UserError):
        run("create", tmp_path / "s", "--name", "n", "--modality", "MR", "--site", "x", "--structure", text)
    assert not (tmp_path / "s").exists()


def test_add_and_show(study, files, capsys):
    labeled = ("--role", "labeled", "--site", "here", "--annotation", files / "a.seg.nrrd", "--id", "first")
    assert run("add", study.folder, files / "a.nrrd", *labeled) == 0
    assert run("add", study.folder, "--pattern", files / "b.nrrd", "--role", "unlabeled", "--site", "there") == 0
    assert "Added 1 case; the study has 2 now." in capsys.readouterr().out
    assert [(case.id, case.role) for case in load_study(study.folder).cases] == [
        ("first", Role.LABELED),
        ("b", Role.UNLABELED),
    ]
    assert run("show", study.folder) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["chamber", "3", "#ff0000"] in lines
    assert ["site", "labeled", "unlabeled", "validation", "ignored", "total"] in lines
    assert ["here", "1", "0", "0", "0", "1"] in lines
    assert ["all", "1", "1", "0", "0", "2"] in lines
    assert ["first", "labeled", "here", *["10", "x", "12", "x", "5"], *["0.7", "x", "0.8", "x", "5"]] in lines
    assert any(line[:1] == ["Warning:"] and "validation" in line for line in lines)


def test_add_from_a_table(study, files):
    (files / "t.csv").write_text("image,site,role,annotation\na.nrrd,here,validation,a.seg.nrrd\n")
    assert run("add", study.folder, "--table", files / "t.csv") == 0
    assert load_study(study.folder).case("a").role is Role.VALIDATION


def test_show_names_every_problem(study, files, capsys):
    run("add", study.folder, files / "a.nrrd", files / "b.nrrd", "--role", "unlabeled", "--site", "here")
    (files / "a.nrrd").unlink()
    (files / "b.nrrd").write_bytes((files / "b.nrrd").read_bytes()[:-1])
    assert run("show", study.folder) == 1
    problems = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Problem: ")]
    assert [problem[:15] for problem in problems] == ["Problem: Case a", "Problem: Case b"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--role", "unlabeled", "--site", "x"],
        ["a.nrrd", "--role", "unlabeled"],
        ["a.nrrd", "--site", "x"],
        ["a.nrrd", "--pattern", "*.nrrd", "--role", "unlabeled", "--site", "x"],
        ["a.nrrd", "b.nrrd", "--id", "i", "--role", "unlabeled", "--site", "x"],
        ["a.nrrd", "--annotations", "{id}.nrrd", "--role", "unlabeled", "--site", "x"],
        ["--table", "t.csv", "--role", "unlabeled"],
    ],
)
def test_unclear_additions(study, arguments):
    before = (study.folder / STUDY_FILE).read_bytes()
    with pytest.raises(UserError):
        run("add", study.folder, *arguments)
    assert (study.folder / STUDY_FILE).read_bytes() == before


def test_add_waits_for_nobody(study, files):
    with study_lock(study.folder), pytest.raises(UserError, match="in use"):
        run("add", study.folder, files / "a.nrrd", "--role", "unlabeled", "--site", "x")
    assert load_study(study.folder).cases == ()


def test_add_to_no_study_makes_nothing(tmp_path, files):
    with pytest.raises(UserError, match="no study"):
        run("add", tmp_path, files / "a.nrrd", "--role", "unlabeled", "--site", "x")
    assert [item.name for item in tmp_path.iterdir()] == ["files"]


def test_show_of_an_unfinished_study(study, tmp_path, make_image, capsys):
    sitk.WriteImage(make_image(size=(10, 12, 1)), str(tmp_path / "flat.nrrd"))
    run("add", study.folder, tmp_path / "flat.nrrd", "--role", "unlabeled", "--site", "here")
    assert run("show", study.folder) == 0
    assert "no labeled case" in capsys.readouterr().out


def test_change_from_the_command_line(tmp_path, study, files, capsys):
    run("add", study.folder, files / "a.nrrd", "--role", "unlabeled", "--site", "here")
    annotation = ["--annotation", files / "a.seg.nrrd"]
    assert run("change", study.folder, "a", "--role", "validation", *annotation) == 0
    assert load_study(study.folder).case("a").role == Role.VALIDATION
    assert "Changed 1 case." in capsys.readouterr().out
    with pytest.raises(UserError, match="single case"):
        run("change", study.folder, "a", "b", *annotation)


def test_a_pattern_in_a_folder_with_segmentations_adds_the_images_and_says_what_it_left_out(study, files, capsys):
    where = ("--role", "labeled", "--site", "here", "--annotations", f"{files}/{{id}}.seg.nrrd")
    assert run("add", study.folder, "--pattern", f"{files}/*.nrrd", *where) == 0
    assert [case.annotation for case in load_study(study.folder).cases] == [
        "../files/a.seg.nrrd",
        "../files/b.seg.nrrd",
    ]
    assert "Left out 2 that are no images" in capsys.readouterr().out


def test_one_bad_file_of_many_is_listed_and_the_others_are_added(study, files, capsys):
    (files / "b.nrrd").write_bytes(b"no image")
    images = [files / "a.nrrd", files / "b.nrrd", files / "a.seg.nrrd"]
    assert run("add", study.folder, *images, "--role", "unlabeled", "--site", "here") == 1
    assert [case.id for case in load_study(study.folder).cases] == ["a"]
    shown = capsys.readouterr()
    assert "Added 1 case;" in shown.out
    assert "error: Case b: b.nrrd could not be read" in shown.err
    assert "a.seg.nrrd is a segmentation and not an image" in shown.err
    assert "2 of 3 could not be added." in shown.err


def test_show_warns_of_voxels_in_another_unit(study, files, make_image, capsys):
    image = make_image(seed=3)
    image.SetSpacing((700.0, 800.0, 5000.0))
    sitk.WriteImage(image, str(files / "odd.nrrd"))
    sitk.WriteImage(make_image(seed=4), str(files / "c.nrrd"))
    images = [files / f"{name}.nrrd" for name in ("a", "b", "c", "odd")]
    assert run("add", study.folder, *images, "--role", "unlabeled", "--site", "here") == 0
    run("show", study.folder)
    assert "Warning: The voxels of odd (700 x 800 x 5000 mm) are 1000 times larger" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--structure", "liver=0"), "The structure liver needs a whole number from 1 to 255 as 'label', not 0"),
        (("--structure", "a=1", "--structure", "b=1"), "label value 1 occurs twice"),
        (("--structure", "Leber", "--structure", "leber"), "structure name leber occurs twice"),
    ],
)
def test_wrong_values_are_named_as_they_were_typed(tmp_path, arguments, words):
    with pytest.raises(UserError, match=words) as caught:
        run("create", tmp_path / "s", "--name", "S", "--modality", "MR", "--site", "A", *arguments)
    assert "study.json" not in str(caught.value)


def test_names_are_given_changed_and_shown_when_they_are_wanted(study, files, capsys):
    use = ("--role", "unlabeled", "--site", "here")
    run("add", study.folder, files / "a.nrrd", *use, "--id", "p1", "--name", "Müller^Anna (T1)")
    (files / "more.csv").write_text("image,site,role,name\nb.nrrd,here,unlabeled,Patient é\n", encoding="utf-8")
    run("add", study.folder, "--table", files / "more.csv")
    run("change", study.folder, "b", "--name", "Patient è")
    assert [(case.id, case.title) for case in load_study(study.folder).cases] == [
        ("p1", "Müller^Anna (T1)"),
        ("b", "Patient è"),
    ]
    capsys.readouterr()
    run("show", study.folder)
    assert "Müller" not in capsys.readouterr().out
    run("show", study.folder, "--names")
    assert "Müller^Anna (T1)" in capsys.readouterr().out
    with pytest.raises(UserError, match="single case"):
        run("change", study.folder, "p1", "b", "--name", "x")
