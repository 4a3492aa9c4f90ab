from __future__ import annotations

import argparse
import dataclasses
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from SemiSupervisedSegLib.commands import evaluate
from SemiSupervisedSegLib.jobs.metrics_file import case_means, read_metrics
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Role, Structure
from SemiSupervisedSegLib.study.store import save_study

from .conftest import class_map


def command(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    options = parser.parse_args(["evaluate", *map(str, arguments)])
    return options.run(options)


def test_a_round_is_scored_and_reported(finished_round, capsys):
    study, folder = finished_round()
    assert command(study.folder, "--round", folder.name) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Mean (standard deviation) over 3 cases"
    assert sum(line.startswith("final") for line in lines) == 3
    assert sum(line.startswith("prototype") for line in lines) == 3
    assert str(folder.report) in lines[-1]
    scores = read_metrics(folder.metrics)
    assert len(scores) == 3 * 2 * 2
    means = list(case_means([score for score in scores if score.kind == "final"], "dice").values())
    total = next(line for line in lines if "all structures" in line)
    assert f"{np.mean(means):.3f} ({np.std(means, ddof=1):.3f})" in total


def test_labeled_cases_can_be_scored(finished_round):
    study, folder = finished_round()
    assert command(study.folder, "--round", 1, "--cases", "labeled") == 0
    assert {score.case for score in read_metrics(folder.metrics)} == {"case-0"}


def test_a_structure_in_no_annotation_is_named_and_not_averaged(finished_round, capsys):
    study, folder = finished_round()
    for case in study.cases_of(Role.VALIDATION):
        classes = sitk.GetArrayFromImage(class_map(0))
        classes[classes == 1] = 2
        write_segmentation(study.annotation_path(case), sitk.GetImageFromArray(classes), study.structures)
    assert command(study.folder, "--round", folder.name) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Without scores, because no annotation of these cases shows it: Left <ventricle>" in lines
    assert not any(line.split()[1:2] == ["Left"] or "all structures" in line for line in lines)
    report = folder.report.read_text(encoding="utf-8")
    assert "<td>–</td>" in report and "a dash stands for one that no annotation shows" in report


def test_two_rounds_are_compared_case_by_case(finished_round, another_round, capsys):
    study, first = finished_round(error=2)
    second = another_round(study, 1)
    assert command(study.folder, "--compare", first.name, second.name) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "on 3 cases" in lines[0]
    dice = next(line for line in lines if " ".join(line.split()).startswith("all structures Dice"))
    # The second round has the smaller error, so its Dice is higher; Wilcoxon on 3 cases cannot be below 0.25.
    assert "+0." in dice
    assert "0.25" in dice


def test_nothing_to_score_is_explained(finished_round):
    study, folder = finished_round(validation=0)
    with pytest.raises(UserError, match="no predicted case with an annotation"):
        command(study.folder, "--round", folder.name)


def test_unknown_round_is_explained(finished_round):
    study, _ = finished_round(validation=0)
    with pytest.raises(UserError, match="no round 'x'"):
        command(study.folder, "--round", "x")


def test_earlier_rounds_are_scored_after_a_structure_was_added_and_annotated(finished_round, another_round, capsys):
    study, folder = finished_round()
    assert command(study.folder, "--round", folder.name) == 0
    before = capsys.readouterr().out
    grown = dataclasses.replace(study, structures=(*study.structures, Structure("added", 9, (1, 2, 3))))
    save_study(grown)
    for case in study.cases_of(Role.VALIDATION):
        path = study.annotation_path(case)
        classes = read_annotation(path, study.structures, sitk.ReadImage(str(study.image_path(case))))
        classes[0, 0, 0] = 3
        write_segmentation(path, classes, grown.structures)
    assert command(study.folder, "--round", folder.name) == 0
    assert capsys.readouterr().out == before
    assert command(study.folder, "--compare", folder.name, another_round(study, 1).name) == 0


def test_a_structure_whose_label_value_changed_is_scored_by_its_name(finished_round, capsys):
    study, folder = finished_round()
    assert command(study.folder, "--round", folder.name) == 0
    before = capsys.readouterr().out
    first, second = study.structures
    swapped = (dataclasses.replace(first, label=second.label), dataclasses.replace(second, label=first.label))
    save_study(dataclasses.replace(study, structures=swapped))
    assert command(study.folder, "--round", folder.name) == 0
    assert capsys.readouterr().out == before


def test_a_case_that_cannot_be_scored_is_named_and_the_others_are_scored(finished_round, capsys):
    study, folder = finished_round()
    case = study.cases_of(Role.VALIDATION)[0]
    study.annotation_path(case).unlink()
    assert command(study.folder, "--round", folder.name) == 1
    printed = capsys.readouterr()
    assert "over 2 cases" in printed.out
    assert f"Case {case.id}" in printed.err and "1 of 3 could not be scored" in printed.err


def test_a_case_whose_prediction_is_gone_is_named(finished_round, capsys):
    study, folder = finished_round()
    case = study.cases_of(Role.VALIDATION)[0]
    shutil.rmtree(folder.predictions / case.id)
    assert command(study.folder, "--round", folder.name) == 1
    printed = capsys.readouterr()
    assert "over 2 cases" in printed.out
    assert f"Case {case.id}: the round {folder.name} has no prediction of it" in printed.err


def test_scores_stay_when_no_image_is_at_hand_and_a_missing_one_only_lacks_its_picture(finished_round):
    study, folder = finished_round()
    assert command(study.folder, "--round", folder.name) == 0
    before = folder.metrics.read_bytes()
    study.image_path(study.cases_of(Role.LABELED)[0]).unlink()
    assert command(study.folder, "--round", folder.name) == 0
    for case in study.cases_of(Role.VALIDATION):
        study.image_path(case).unlink()
    with pytest.raises(UserError, match="Case "):
        command(study.folder, "--round", folder.name)
    assert folder.metrics.read_bytes() == before


def test_another_image_in_the_place_of_the_segmented_one_is_not_scored(finished_round, capsys):
    study, folder = finished_round()
    first, second, _ = (study.image_path(case) for case in study.cases_of(Role.VALIDATION))
    shutil.copy(second, first)
    assert command(study.folder, "--round", folder.name) == 1
    printed = capsys.readouterr()
    assert "over 2 cases" in printed.out
    assert f"The image {first.name} is not the one that was segmented" in printed.err
