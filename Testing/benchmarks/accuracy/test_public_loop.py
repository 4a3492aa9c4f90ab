from __future__ import annotations

import copy
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.connected_components import largest_components
from SemiSupervisedSegLib.engine.worker.worker import run_job
from SemiSupervisedSegLib.jobs.events import Cancelled, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.study.model import Role, Study
from SemiSupervisedSegLib.study.store import load_study

from . import public_training
from .protocol import checked
from .protocol_model import Data, MethodRow, Phantom, Protocol
from .public_loop import run_public_job
from .public_training import augmented, consistency_weight, new_network, predict, scaled, train, zoomed
from .results import write_results
from .rows import collect
from .studies import make_studies
from .sweep_cells import Sweep, cells, find_cell, is_finished, round_of, study_of, write_record

STEPS = 3
SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def small_sizes() -> Iterator[None]:
    """Smaller slices and fewer at once, which change nothing but the time that the tests take."""
    assert (public_training.SIDE, public_training.BATCH, public_training.LABELED_BATCH) == (128, 24, 12)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SIDE", SIDE), ("BATCH", 4), ("LABELED_BATCH", 2)):
            patch.setattr(public_training, name, value)
        yield


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Labeled and unlabeled slices of one shape that is not square."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(5):
        label = np.zeros((20, 30), np.uint8)
        label[4:12, 5 + number : 20] = 1
        image = label + rng.normal(0, 0.1, label.shape)
        paths.append(tmp_path / f"{number}.npz")
        np.savez_compressed(paths[-1], image=image.astype(np.float32), label=label)
    return paths[:2], paths[2:]


def test_slices_are_zoomed_to_the_nearest_pixel_and_back() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert zoomed(image).shape == (SIDE, SIDE)
    np.testing.assert_array_equal(zoomed(zoomed(image), image.shape), image)


def test_half_of_the_slices_are_turned_a_quarter_rotated_and_a_quarter_left() -> None:
    np.random.seed(0)
    image = np.arange(400, dtype=np.float32).reshape(20, 20)
    results = [augmented(image, image) for _ in range(400)]
    assert all(np.array_equal(image, label) for image, label in results), "images and labels are moved alike"
    # A turn keeps all values; a rotation loses the corners. Of the turned ones some are where they were by chance.
    kept = [np.array_equal(np.sort(found.ravel()), image.ravel()) for found, _ in results]
    same = [np.array_equal(found, image) for found, _ in results]
    assert 0.15 < 1 - np.mean(kept) < 0.35
    assert 0.15 < np.mean(same) < 0.4


def test_the_rate_falls_over_the_steps_that_there_are(files: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    network = new_network(2)
    before = copy.deepcopy(network.state_dict())
    # Supervised never opens an unlabeled slice.
    steps = list(train(network, (files[0], [tmp_path / "none"]), STEPS, torch.device("cpu"), has_teacher=False))
    # As published, the rate that is computed after a step is that of the next one.
    assert [rate for _, rate in steps] == pytest.approx([0.01, 0.01, 0.01 * (2 / 3) ** 0.9])
    assert all(set(losses) == {"total"} and np.isfinite(losses["total"]) for losses, _ in steps)
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


def test_the_consistency_of_mean_teacher_rises_over_the_steps_that_there_are(
    files: tuple[list[Path], list[Path]],
) -> None:
    assert [consistency_weight(done) for done in (0, 0.03)] == [0, 0]
    assert consistency_weight(0.5) == pytest.approx(0.1 * np.exp(-5 * 0.25))
    assert consistency_weight(1.0) == pytest.approx(0.1)
    steps = list(train(new_network(2), files, STEPS, torch.device("cpu"), has_teacher=True))
    for number, (losses, _) in enumerate(steps):
        expected = losses["supervised"] + consistency_weight(number / STEPS) * losses["consistency"]
        assert losses["total"] == pytest.approx(expected, rel=1e-5)
        assert losses["consistency"] > 0


def test_a_volume_is_segmented_slice_by_slice_on_its_own_grid() -> None:
    network = new_network(3).eval()
    volume = scaled(np.random.default_rng(0).integers(-50, 900, (2, 20, 30)))
    assert (volume.min(), volume.max(), volume.dtype) == (0, 1, np.float32)
    classes = predict(network, volume, torch.device("cpu"))
    assert classes.shape == volume.shape
    alone = torch.from_numpy(zoomed(volume[1]))[None, None]
    with torch.no_grad():
        expected = network(alone).logits.argmax(1)[0].numpy()
    np.testing.assert_array_equal(classes[1], zoomed(expected, (20, 30)))


def small_protocol() -> Protocol:
    phantom = Phantom(unlabeled=2, external=0, validation=2, size=(24, 24, 3))
    rows = tuple(MethodRow(method, loop="public") for method in ("supervised", "mean_teacher"))
    return checked(
        Protocol(
            "Public",
            Data("phantom", phantom=phantom),
            labeled=(2,),
            seeds=(0,),
            methods=rows,
            preset="quick",
            reference="Supervised, public loop",
            settings={"steps": STEPS, "threads": 1, "largest_component": True},
        )
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of both public loops, run in this process."""
    folder = tmp_path_factory.mktemp("public")
    sweep = Sweep(small_protocol())
    write_record(folder, sweep)
    studies = make_studies(sweep.protocol, None, folder)
    assert list(studies) == ["labeled-2-public"]
    for cell in cells(sweep.protocol):
        round_folder = round_of(sweep, cell, study_of(sweep.protocol, cell, studies), "cpu")
        assert run_job(round_folder.path, run_public_job) == 0
    return folder


def public_rounds(folder: Path) -> list[JobFolder]:
    sweep, study = Sweep(small_protocol()), load_study(folder / "labeled-2-public")
    return [find_cell(sweep, cell, study) for cell in cells(sweep.protocol)]


def test_a_finished_public_loop_is_a_round_of_its_cell(done: Path) -> None:
    for folder in public_rounds(done):
        assert is_finished(folder)
        assert folder.result()["cpu_seconds"] > 0
        assert [event.step for event in folder.events()[0] if isinstance(event, StepDone)] == [STEPS]


def test_its_scores_are_those_of_its_segmentations(done: Path) -> None:
    study: Study = load_study(done / "labeled-2-public")
    for folder in public_rounds(done):
        scores = read_metrics(folder.metrics)
        assert len(scores) == 2 * 2
        assert {score.kind for score in scores} == {"final"}
        for case in study.cases_of(Role.VALIDATION):
            found = sitk.GetArrayFromImage(sitk.ReadImage(folder.predictions / case.id / "final.seg.nrrd"))
            truth = sitk.GetArrayFromImage(sitk.ReadImage(study.annotation_path(case)))
            np.testing.assert_array_equal(found, largest_components(found, (1, 2)))
            for structure in study.structures:
                a, b = found == structure.label, truth == structure.label
                expected = 2 * (a & b).sum() / (a.sum() + b.sum())
                (score,) = [s for s in scores if (s.case, s.structure) == (case.id, structure.name)]
                assert score.dice == pytest.approx(expected, abs=1e-5)


def test_tables_have_its_final_prediction_and_processor_time(done: Path, tmp_path: Path) -> None:
    text = write_results(collect(done), tmp_path)
    with open(tmp_path / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["method"], row["kind"]) for row in rows} == {
        ("Supervised, public loop", "final"),
        ("Mean Teacher, public loop", "final"),
    }
    assert all(float(row["cpu_seconds"]) > 0 for row in rows)
    assert rows[-1]["reference"] == "Supervised, public loop"
    assert "Mean Teacher, public loop" in text


def test_a_stopped_public_loop_begins_anew(done: Path, tmp_path: Path) -> None:
    spec = public_rounds(done)[0].spec()
    folder = JobFolder(tmp_path / "rounds" / "001-supervised")
    folder.write_spec(spec)
    folder.request_cancel()
    assert run_job(folder.path, run_public_job) == 3
    assert isinstance(folder.events()[0][-1], Cancelled)
    assert folder.result() is None
    folder.clear_cancel()
    assert run_job(folder.path, run_public_job) == 0
    again = [score.dice for score in read_metrics(folder.metrics)]
    assert again == [score.dice for score in read_metrics(public_rounds(done)[0].metrics)], "the seed decides"
