"""`predict`: apply a trained model to new images."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..jobs.folder import JobFolder
from ..jobs.spec import JobCase, JobSpec
from ..study.adding import default_id
from ..study.errors import UserError
from ..study.images import image_geometry
from ..study.model import Role
from .run_job import run_job
from .versions import installed_versions


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("predict", help="segment new images with a trained model")
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="image file, or folder of a DICOM series")
    parser.add_argument("--model", required=True, type=Path, help="the folder model of a round")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="new folder for the results")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Segment the images; raises UserError when one cannot be read or the model is none."""
    if not options.model.is_dir():
        raise UserError(f"There is no model in {options.model}.", "Choose the folder named model of a finished round.")
    folder = JobFolder(options.output)
    if folder.exists():
        raise UserError(f"There are results in {options.output} already.", "Choose a new folder.")
    spec = JobSpec(
        kind="predict",
        method="",
        preset="",
        settings={},
        device=options.device,
        seed=0,
        study_name=options.output.name,
        modality=None,
        structures=(),
        cases=_cases(options.images),
        model=str(options.model.absolute()),
        versions=installed_versions(),
    )
    folder.write_spec(spec)
    run_job(folder)
    print(f"Done. Segmentations: {folder.predictions}")
    return 0


def _cases(images: list[Path]) -> tuple[JobCase, ...]:
    cases: dict[str, JobCase] = {}
    for image in images:
        image_geometry(image)
        case_id = _free_id(default_id(image.absolute()), cases)
        cases[case_id.casefold()] = JobCase(case_id, str(image.absolute()), "", Role.UNLABELED, external=False)
    return tuple(cases.values())


def _free_id(wanted: str, taken: dict[str, JobCase]) -> str:
    # Files of the same name in different folders are different cases.
    numbered = (f"{wanted[:90]}-{number}" for number in range(2, len(taken) + 3))
    return next(case_id for case_id in (wanted, *numbered) if case_id.casefold() not in taken)
