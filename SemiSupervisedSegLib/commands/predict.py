"""`predict`: apply a trained model to new images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..jobs.executor import Executor, LocalQueue
from ..jobs.folder import JobFolder
from ..jobs.job_specs import make_prediction_spec
from ..jobs.machines import find_machine
from ..jobs.model_folder import chosen_model, read_description
from ..jobs.remote.executor import SshExecutor
from ..jobs.results import is_predicted
from ..jobs.sharded_prediction import has_shards, machines_of_shards
from ..jobs.shared_processor import available_cores
from ..jobs.spec import JobSpec
from ..study.errors import UserError, all_failures
from ..study.image_files import has_labels, images_in
from ..study.images import image_geometry
from ..study.model import Structure
from .failures import report_failures
from .run_job import run_job
from .run_shards import run_shards


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("predict", help="segment new images with a trained model")
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", type=Path, help="image file, or folder of a DICOM series or of images"
    )
    parser.add_argument("--model", required=True, type=Path, help="the folder model of a round")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="folder for the results")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--threads", type=int, help="processor cores for each job (as in the training, or shared)")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="shards that are segmented at the same time (1)"
    )
    parser.add_argument("--shards", type=int, metavar="N", help="parts that the images are split into (as --jobs)")
    parser.add_argument("--on", metavar="MACHINE", help="segment on another machine; see the command machine")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Segment the images; raises UserError when the model or none of the images can be used.

    A failed image does not stop the remaining ones. The same command resumes an interrupted run.
    """
    count = options.jobs if options.shards is None else options.shards
    if min(options.jobs, count) < 1:
        raise UserError("There is nothing to do for less than one job or shard.", "Give --jobs and --shards 1 or more.")
    executor = _executor(options)
    model = chosen_model(options.model)
    images, failures = _readable(images_in(options.images), read_description(model).structures)
    if not images:
        raise all_failures(failures)
    folder = JobFolder(options.output)
    spec = make_prediction_spec(options.output.name, images, model, device=options.device, threads=_threads(options))
    _check_output(folder, spec, options.on)
    folder.write_spec(spec)
    is_split = count > 1 or options.on or has_shards(folder)
    result = run_shards(folder, executor, count) if is_split else run_job(folder)
    given = len(images) + len(failures)
    failures += [UserError(failure["message"], failure["advice"]) for failure in result.get("failed", ())]
    print(f"Done. Segmentations: {folder.predictions}")
    return report_failures(failures, given, "segmented")


def _executor(options: argparse.Namespace) -> Executor:
    if not options.on:
        return LocalQueue(limit=options.jobs)
    executor = SshExecutor(find_machine(options.on), limit=options.jobs)
    # Before anything is made, which would stay behind empty.
    executor.check()
    return executor


def _threads(options: argparse.Namespace) -> int | None:
    if options.threads is None and options.jobs > 1 and not options.on:
        return max(1, available_cores() // options.jobs)
    threads: int | None = options.threads
    return threads


def _readable(paths: Sequence[Path], structures: Sequence[Structure]) -> tuple[list[Path], list[UserError]]:
    images, failures = [], []
    for path in paths:
        try:
            image_geometry(path)
            if path.is_file() and has_labels(path, structures):
                raise UserError(f"{path.name} is a segmentation and not an image.", "Leave it out.")
            images.append(path)
        except UserError as error:
            failures.append(error)
    return images, failures


def _check_output(folder: JobFolder, spec: JobSpec, on: str | None) -> None:
    """Raise UserError when a folder holds results that are complete, or of another model or other images."""
    if not folder.exists():
        return
    if folder.is_running():
        raise UserError(f"Another command is segmenting into {folder.path}.", "Wait until it ends.")
    places = machines_of_shards(folder) - {on}
    if places:
        raise UserError(f"Parts of the images are on {min(places)}.", f"Continue there with --on {min(places)}.")
    before, result = folder.spec(), folder.result()
    former = {case.id: case.image for case in before.cases}
    predicted = [case for case in spec.cases if is_predicted(folder, case.id)]
    differs = before.model != spec.model or any(former.get(case.id) != case.image for case in predicted)
    complete = result is not None and not result.get("failed")
    if before.kind != "predict" or complete or (differs and _has_predictions(folder)):
        raise UserError(f"There are results in {folder.path} already.", "Choose a new folder.")


def _has_predictions(folder: JobFolder) -> bool:
    return folder.predictions.is_dir() and any(folder.predictions.iterdir())
