"""Make a study of the ACDC cardiac MR set for the accuracy benchmark.

    python -m Testing.benchmarks.accuracy.acdc_study DATA STUDY --labeled 7

DATA holds images/ID.nrrd, labels/ID.nrrd and splits.json (train_patients in the published order, labeled subsets by
number of patients, and development validation patients). The first ``--labeled`` training patients are labeled (with
``--draw K`` the first ones after a shuffle with numpy.random.default_rng(K), unless K is 0), the official validation
patients are validation cases, all other training patients are unlabeled. Unless ``--one-site`` is given, every second
unlabeled patient is turned into an external one by a simulated change of scanner, in turn:

* site "external-bright": contrast v -> v ** 0.6 of intensities scaled to 0..1, in-plane resolution 1.5 times coarser;
* site "external-dark": contrast v -> v ** 1.6, in-plane resolution 2 times coarser.

Both are resampled linearly after a Gaussian blur of half the new voxel size. Nothing else is changed. With
``--test-sites`` every second pair of these patients, one of each site, is no part of training but has the role
validation, with the patient's annotation on the coarser grid (nearest neighbour). Images and annotations of local cases
are referenced where they are. An image of a training patient that is the copy of an earlier or a labeled one is left
out (the set has one under two patients).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import SimpleITK as sitk

from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image, write_image
from SemiSupervisedSegLib.study.model import Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study, study_lock

from .draws import drawn

STRUCTURES = (
    Structure("right ventricle", 1, (0, 114, 178)),
    Structure("myocardium", 2, (230, 159, 0)),
    Structure("left ventricle", 3, (0, 158, 115)),
)
SITES = {"external-bright": (0.6, 1.5), "external-dark": (1.6, 2.0)}
"""Contrast exponent and in-plane coarsening of each simulated site."""


def simulate_site(image: sitk.Image, exponent: float, coarsening: float) -> sitk.Image:
    """Return the image (x, y, z) as another scanner might have made it; see the module's docstring."""
    factors = (coarsening, coarsening, 1.0)
    bent = sitk.Pow(sitk.RescaleIntensity(sitk.Cast(image, sitk.sitkFloat32), 0.0, 1.0), exponent)
    spacing = [value * factor for value, factor in zip(image.GetSpacing(), factors, strict=True)]
    blurred = sitk.DiscreteGaussian(bent, [(value / 2) ** 2 for value in spacing[:2]] + [0.0])
    grid = sitk.Image(
        [round(count / factor) for count, factor in zip(image.GetSize(), factors, strict=True)], bent.GetPixelID()
    )
    grid.SetDirection(image.GetDirection())
    grid.SetSpacing(spacing)
    # The corner of the image stays in place, not the centre of its first voxel.
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(factor - 1) / 2 for factor in factors]))
    resampled = sitk.Resample(blurred, grid, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.Cast(resampled * 1000.0, sitk.sitkInt16)


def simulate_annotation(annotation: sitk.Image, moved: sitk.Image) -> sitk.Image:
    """Return an annotation (x, y, z) on the grid of the simulated image of its patient."""
    return sitk.Resample(annotation, moved, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def read_splits(data: Path) -> tuple[list[str], list[str]]:
    """Return the training patients in the published order and the ids of all cases; raises UserError."""
    try:
        splits = json.loads((data / "splits.json").read_text(encoding="utf-8"))
        return list(splits["train_patients"]), [*splits["train"], *splits["development"]["val"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"There is no usable splits.json in {data}.", "Name the folder that has images, labels and splits.json."
        ) from error


def make_study(
    data: Path, folder: Path, labeled: int, simulate_sites: bool = True, draw: int = 0, test_sites: bool = False
) -> Study:
    """Write the study; raises UserError for files that cannot be used."""
    patients, case_ids = read_splits(data)
    patients = drawn(patients, draw)
    if not 1 <= labeled <= len(patients):
        raise UserError(f"{labeled} patients cannot be labeled.", f"There are {len(patients)} training patients.")
    study = create_study(folder, f"ACDC, {labeled} labeled patients", Modality.MR, "local", STRUCTURES)
    moving = patients[labeled + 1 :: 2] if simulate_sites else []
    sites = {patient: list(SITES)[index % 2] for index, patient in enumerate(moving)}
    tested = {patient for index, patient in enumerate(moving) if test_sites and index // 2 % 2}
    cases = []
    contents = {case_id: _content(data, case_id) for case_id in case_ids}
    seen = {contents[case_id] for case_id in case_ids if case_id.split("_")[0] in patients[:labeled]}
    for case_id in case_ids:
        patient = case_id.split("_")[0]
        role = Role.UNLABELED
        if patient not in patients or patient in tested:
            role = Role.VALIDATION
        elif patient in patients[:labeled]:
            role = Role.LABELED
        if patient in patients[labeled:] and contents[case_id] in seen:
            continue
        seen.add(contents[case_id])
        image, annotation = data / "images" / f"{case_id}.nrrd", data / "labels" / f"{case_id}.nrrd"
        given = annotation if role.needs_annotation else None
        site = sites.get(patient, "local")
        if site != "local":
            image, given = _moved(folder, image, given, site)
        cases.append(new_case(study, image, site=site, role=role, annotation=given, case_id=case_id))
    with study_lock(folder):
        study = add_cases(study, cases)
        save_study(study)
    return study


def _moved(folder: Path, image: Path, annotation: Path | None, site: str) -> tuple[Path, Path | None]:
    """Write the files of a case as those of a simulated site and return their paths."""
    moved = simulate_site(read_image(image), *SITES[site])
    path = _write(folder / "images" / image.name, moved)
    if annotation is None:
        return path, None
    return path, _write(folder / "annotations" / image.name, simulate_annotation(read_image(annotation), moved))


def _write(path: Path, content: sitk.Image) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_image(path, content)
    return path


def _content(data: Path, case_id: str) -> str:
    return hashlib.sha256((data / "images" / f"{case_id}.nrrd").read_bytes()).hexdigest()


def describe(study: Study) -> str:
    """How many cases of each role there are, and how many come from other sites."""
    counts = {role.value: len(study.cases_of(role)) for role in Role if study.cases_of(role)}
    return f"{study.folder}: {counts}, {sum(study.is_external(case) for case in study.cases)} of them external"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with images/, labels/ and splits.json")
    parser.add_argument("study", type=Path, help="folder of the new study")
    parser.add_argument("--labeled", type=int, default=7, help="labeled patients (7)")
    parser.add_argument("--draw", type=int, default=0, help="which draw of labeled patients (0, the published list)")
    parser.add_argument("--one-site", action="store_true", help="simulate no other sites")
    parser.add_argument("--test-sites", action="store_true", help="every second pair of them is for validation")
    options = parser.parse_args()
    place, sites = options.study.absolute(), not options.one_site
    try:
        study = make_study(options.data, place, options.labeled, sites, options.draw, options.test_sites)
        print(describe(study))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
