from __future__ import annotations

import json

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.spec import JobSpec
from SemiSupervisedSegLib.planning.fingerprint import CaseFingerprint, Fingerprint
from SemiSupervisedSegLib.planning.round_plan import (
    PLAN_FILE,
    plan_round,
    read_round_plan,
    read_round_settings,
    write_round_plan,
)
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality, Structure

THICK = Fingerprint((CaseFingerprint("a", (10, 200, 200), (8.0, 1.0, 1.0)),), None)
CUBE = Fingerprint((CaseFingerprint("a", (90, 90, 90), (1.0, 1.0, 1.0)),), None)


@pytest.fixture
def folder(tmp_path) -> JobFolder:
    job = JobFolder(tmp_path / "001-cpcl")
    values = {"kind": "train", "method": "cpcl", "preset": "quick", "device": "cpu", "seed": 0}
    structures = (Structure("gland", 1, (255, 0, 0)),)
    job.write_spec(
        JobSpec(**values, settings={"steps": 7}, study_name="x", modality=Modality.MR, structures=structures, cases=())
    )
    return job


def test_settings_follow_the_dimensions_of_the_images_and_the_user():
    slices, volumes = (plan_round(seen, Modality.MR, 2, "cpcl", "paper", {"steps": 7}) for seen in (THICK, CUBE))
    assert (slices.plan.dimensions, volumes.plan.dimensions) == (2, 3)
    assert slices.settings["steps"] == volumes.settings["steps"] == 7
    assert slices.settings["labeled_batch"] != volumes.settings["labeled_batch"]
    assert plan_round(THICK, Modality.MR, 2, "cpcl", "paper", {"dimension": "3d"}).plan.dimensions == 3


def test_a_resumed_round_reads_the_plan_it_began_with(folder):
    assert read_round_plan(folder, folder.spec()) is None and read_round_settings(folder) == {}
    made = plan_round(THICK, Modality.MR, 2, "cpcl", "quick", {"steps": 7})
    write_round_plan(folder, made)
    assert read_round_plan(folder, folder.spec()) == made
    assert read_round_settings(folder) == made.settings


def test_a_setting_that_is_newer_than_the_round_takes_its_default(folder):
    made = plan_round(THICK, Modality.MR, 2, "cpcl", "quick", {"steps": 7})
    del made.settings["largest_component"]
    write_round_plan(folder, made)
    assert read_round_plan(folder, folder.spec()).settings["largest_component"] is False


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content["settings"].update(steps="many"),
        lambda content: content["settings"].update(steps=-1),
        lambda content: content["plan"].update(num_classes=9),
        lambda content: content["plan"].update(patch=[33, 32]),
        lambda content: content.pop("plan"),
    ],
)
def test_a_damaged_plan_is_refused(folder, damage):
    write_round_plan(folder, plan_round(THICK, Modality.MR, 2, "cpcl", "quick", {"steps": 7}))
    path = folder.path / PLAN_FILE
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"plan\.json of the round is damaged"):
        read_round_plan(folder, folder.spec())
