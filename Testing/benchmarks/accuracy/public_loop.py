"""A row `loop = "public"` of a protocol: a training as public benchmark code has it, scored as all rows are.

    python -m Testing.benchmarks.accuracy.public_loop --job FOLDER

The sweep starts this beside its workers. FOLDER holds a job, and afterwards events, status, scores and a result as a
worker leaves them: metrics.csv of the validation cases (final predictions only, as these trainings have no prototypes),
their segmentations, and the processor time of the training. A stopped training begins anew.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from SemiSupervisedSegLib.engine.connected_components import largest_components
from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.engine.evaluation.metrics import score_case
from SemiSupervisedSegLib.engine.evaluation.round_annotations import read_classes_of_model
from SemiSupervisedSegLib.engine.inference.image_maps import as_image
from SemiSupervisedSegLib.engine.training.processor_time import ProcessorTime
from SemiSupervisedSegLib.engine.worker.reporter import JobStopped, Reporter
from SemiSupervisedSegLib.engine.worker.worker import run_job
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.events import Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.metrics_file import write_metrics
from SemiSupervisedSegLib.jobs.parent import watch_parent
from SemiSupervisedSegLib.jobs.results import SEGMENTATIONS
from SemiSupervisedSegLib.jobs.spec import JobCase, JobSpec
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.planning.pieces import in_one_piece, pieces_of
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Role

from .public_training import new_network, predict, scaled, train

_STEPS_BETWEEN_REPORTS = 10
_STAGE = "training"


def arguments(folder: JobFolder) -> list[str]:
    """Arguments of Python that run a job."""
    return ["-m", __name__, "--job", str(folder.path)]


def run_public_job(folder: JobFolder, spec: JobSpec, reporter: Reporter) -> dict[str, Any]:
    """Train, segment and score the validation cases, and return the content of result.json.

    Raises:
        UserError: a file cannot be used, or a case is annotated for some structures only.
        JobStopped: a stop was requested.
    """
    settings = load_catalogue().resolve(spec.method, spec.preset, spec.settings, 2)
    device = choose_device(spec.device, "float32", int(settings["threads"]))
    reporter.emit(Started(device.title, os.getpid()))
    torch.manual_seed(spec.seed)
    np.random.seed(spec.seed)
    with tempfile.TemporaryDirectory() as place:
        files, whole = _write_slices(spec, Path(place), reporter)
        network = new_network(1 + len(spec.structures))
        seconds = _train(spec, network, files, int(settings["steps"]), device, reporter)
    scores = _score(folder, spec, network, device, whole if settings["largest_component"] else (), reporter)
    write_metrics(folder.metrics, scores)
    return {
        "kind": spec.kind,
        "method": spec.method,
        "loop": "public",
        "steps": settings["steps"],
        "mean_dice": {"final": sum(score.dice for score in scores) / len(scores) if scores else None},
        "cpu_seconds": seconds,
    }


def _write_slices(
    spec: JobSpec, place: Path, reporter: Reporter
) -> tuple[tuple[list[Path], list[Path]], tuple[int, ...]]:
    """Write a compressed file for each slice.

    Returns the files of labeled and of unlabeled cases, and the structures that are one piece in all annotations.
    """
    cases = [case for case in spec.cases if case.role in (Role.LABELED, Role.UNLABELED)]
    reporter.start_stage("preprocess", "Writing slices", len(cases))
    files: dict[Role, list[Path]] = {Role.LABELED: [], Role.UNLABELED: []}
    pieces = []
    for done, case in enumerate(cases, start=1):
        image = read_image(case.image)
        volume = scaled(sitk.GetArrayViewFromImage(image))
        classes = np.zeros(volume.shape, np.uint8)
        if case.role is Role.LABELED:
            classes = _annotation(spec, case, image)
            pieces.append(pieces_of(classes))
        for number, (pixels, labels) in enumerate(zip(volume, classes, strict=True)):
            files[case.role].append(place / f"{case.id}-{number}.npz")
            np.savez_compressed(files[case.role][-1], image=pixels, label=labels)
        reporter.progress(done, len(cases))
    return (files[Role.LABELED], files[Role.UNLABELED]), in_one_piece(pieces)


def _annotation(spec: JobSpec, case: JobCase, image: sitk.Image) -> np.ndarray:
    if case.annotation is None or case.structures is not None:
        raise UserError(
            f"The public loop cannot use the case {case.id}, which is not annotated for all structures.",
            "Annotate it completely, or leave the row out of the protocol.",
        )
    return read_classes_of_model(case.annotation, image, spec.structures, spec.structures)


def _train(
    spec: JobSpec,
    network: nn.Module,
    files: tuple[list[Path], list[Path]],
    steps: int,
    device: Device,
    reporter: Reporter,
) -> float | None:
    """Train the network and return the processor time in seconds."""
    reporter.start_stage(_STAGE, "Training as public code does", steps)
    time = ProcessorTime()
    training = train(network, files, steps, device.torch, has_teacher=spec.method == "mean_teacher")
    for step, (losses, rate) in enumerate(training, start=1):
        reporter.count_step(step, steps)
        if step % _STEPS_BETWEEN_REPORTS == 0 or step == steps:
            reporter.emit(StepDone(_STAGE, step, steps, losses, rate))
            reporter.update_status(step, steps)
        if step < steps and reporter.stop_requested():
            raise JobStopped(0)
    return time.seconds


def _score(
    folder: JobFolder,
    spec: JobSpec,
    network: nn.Module,
    device: Device,
    whole: Sequence[int],
    reporter: Reporter,
) -> list[StructureScore]:
    """Segment the validation cases, of some structures with their largest piece only, and score them."""
    cases = [case for case in spec.cases if case.role is Role.VALIDATION]
    reporter.start_stage("predict", "Segmenting the validation cases", len(cases))
    names = [structure.name for structure in spec.structures]
    scores: list[StructureScore] = []
    for done, case in enumerate(cases, start=1):
        image = read_image(case.image)
        found = predict(network, scaled(sitk.GetArrayViewFromImage(image)), device.torch)
        found = largest_components(found, whole)
        place = folder.predictions / case.id
        place.mkdir(parents=True, exist_ok=True)
        write_segmentation(place / SEGMENTATIONS["final"], as_image(found, image), spec.structures)
        annotation = _annotation(spec, case, image)
        scores += score_case(case.id, "final", found, annotation, image.GetSpacing()[::-1], names)
        reporter.progress(done, len(cases))
    return scores


def main() -> int:
    """Read the command line, run the job and return the exit code of a worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", required=True, type=Path, help="folder of the job")
    folder = JobFolder(parser.parse_args().job)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: folder.request_cancel())
    watch_parent(folder.request_cancel)
    return run_job(folder.path, run_public_job)


if __name__ == "__main__":
    sys.exit(main())
