"""A finished round of a small study, made without training: the predictions are shifted annotations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.inference.bundle import TrainedModel, save_bundle
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import CosineClassifier
from SemiSupervisedSegLib.engine.inference.sliding_window import GridPrediction
from SemiSupervisedSegLib.engine.inference.write import write_case_prediction
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.jobs.events import Started, StepDone, Validated, WarningRaised
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.planning.preprocess import labels_to_plan_grid
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.images import write_image
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import save_study

torch.set_num_threads(1)

STRUCTURES = (Structure("Left <ventricle>", 3, (220, 40, 40)), Structure("Wall", 7, (40, 120, 220)))
PLAN = Plan(2, 0, (None, 1.0, 1.0), (32, 32), Normalization(Modality.MR), 3, NetworkSpec("unet_2d"))


def class_map(shift: int) -> sitk.Image:
    classes = np.zeros((4, 32, 32), np.uint8)
    classes[1:3, 8:20, 8 + shift : 20 + shift] = 2
    classes[1:3, 11:17, 11 + shift : 17 + shift] = 1
    return sitk.GetImageFromArray(classes)


def make_study(folder: Path, validation: int) -> Study:
    roles = [Role.LABELED, *[Role.VALIDATION] * validation, Role.UNLABELED, Role.UNLABELED]
    cases = []
    for number, role in enumerate(roles):
        annotation = None
        voxels = 100 * sitk.GetArrayFromImage(class_map(number % 3)).astype(np.int16) + 50
        name = f"case-{number}"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "annotations").mkdir(exist_ok=True)
        write_image(folder / "images" / f"{name}.nrrd", sitk.GetImageFromArray(voxels))
        if role != Role.UNLABELED:
            annotation = f"annotations/{name}.seg.nrrd"
            write_segmentation(folder / annotation, class_map(number % 3), STRUCTURES)
        site = "other" if number == len(roles) - 1 else "here"
        cases.append(Case(name, f"images/{name}.nrrd", site, role, annotation))
    study = Study(folder, "Heart & <b>pilot</b>", Modality.MR, "here", STRUCTURES, tuple(cases))
    save_study(study)
    return study


def make_round(study: Study, error: int) -> JobFolder:
    folder = next_round(study.folder, "cpcl")
    folder.write_spec(make_training_spec(study, "cpcl", "quick", {}, seed=11))
    classifier = CosineClassifier(("decoder_half",), torch.ones(3, dtype=torch.bool), torch.randn(3, 32))
    network = build_network("unet_2d", 1, 3)
    save_bundle(folder.model, TrainedModel(network, PLAN, STRUCTURES, "cpcl", classifier))
    for event in (
        Started("a test computer", 1, time=1000.0),
        WarningRaised("Something <odd>.", time=1001.0),
        *(StepDone("train", 10 * n, 30, {"total": 1.0 / n, "dice": 0.01 / n}, 0.1, time=1000.0 + n) for n in (1, 2, 3)),
        *(Validated(10 * n, {s.name: 0.2 * n for s in STRUCTURES}, 0.2 * n, time=1010.0 + n) for n in (1, 2, 3)),
        Started("a test computer", 2, resumed_from=30, time=5000.0),
        Validated(30, {s.name: 0.7 for s in STRUCTURES}, 0.7, time=5060.0),
    ):
        folder.append_event(event)
    for number, case in enumerate(study.cases):
        maps = [labels_to_plan_grid(class_map(number % 3 + by), PLAN) for by in (number * error, 1 + number * error)]
        grids = [torch.nn.functional.one_hot(torch.as_tensor(m).long(), 3).movedim(-1, 0).float() for m in maps]
        image = sitk.ReadImage(str(study.image_path(case)))
        write_case_prediction(folder.predictions, case.id, GridPrediction(*grids), PLAN, image, STRUCTURES, False)
    folder.write_result({"kind": "train"})
    return folder


@pytest.fixture
def finished_round(tmp_path) -> Callable[..., tuple[Study, JobFolder]]:
    def make(validation: int = 3, error: int = 1) -> tuple[Study, JobFolder]:
        study = make_study(tmp_path / "study", validation)
        return study, make_round(study, error)

    return make


@pytest.fixture
def another_round() -> Callable[[Study, int], JobFolder]:
    return make_round
