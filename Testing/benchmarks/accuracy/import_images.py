"""Make a study of a public data set, prepared as the publications did, for the accuracy benchmark.

    python -m Testing.benchmarks.accuracy.import_images NAME DATA STUDY [--local-site SITE] [--test N]

NAME is an entry of data_sets.toml, which says how the files in DATA have to lie and what is done with them (resampled,
clipped, cropped around the annotation, test cases as well). All cases of the training list are labeled; a sweep takes
the first ones of them as labeled and the others as unlabeled.

Studies say MR, also of CT: with that, planning normalises each image by its own voxels to mean 0 and deviation 1, which
is what the publications do after the window, and what CT and MR of one study need. An image that is the copy of an
earlier one is left out, test cases first; ACDC has one under two patients.

A sweep makes the study by itself. Where several sweeps are about one data set, it is faster to make it once and to
name it as their --data.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.duplicates import image_digest
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import write_image
from SemiSupervisedSegLib.study.model import Modality, Role, Study
from SemiSupervisedSegLib.study.store import create_study, save_study, study_lock

from .data_sets import DataSet, Files, all_data_sets, data_set, find_files, split
from .prepare import prepared

LOCAL = "local"


def make_study(
    name: str,
    data: Path,
    folder: Path,
    local_site: str = "",
    test: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Write the study and return it.

    Args:
        name: of the data set.
        data: its folder.
        folder: of the new study.
        local_site: of a data set of several sites: the one that is labeled and tested.
        test: number of test cases, the published one when 0.
        progress: called with the number of cases done and their total.

    Raises:
        UserError: files are missing or cannot be used, there are too few, or the study cannot be written.
    """
    entry = data_set(name)
    if bool(entry.sites) != bool(local_site) or (entry.sites and local_site not in entry.sites):
        choices = ", ".join(entry.sites) or "none"
        raise UserError(f"{entry.title} has no local site {local_site!r}.", f"Name one with --local-site: {choices}.")
    roles = list(_roles(entry, data, local_site, test))
    study = create_study(folder, entry.title, Modality.MR, local_site or LOCAL, entry.study_structures())
    for kind in ("images", "annotations"):
        (folder / kind).mkdir(exist_ok=True)
    cases, seen = [], set()
    for done, (files, role) in enumerate(roles, start=1):
        image, labels = prepared(entry, files)
        digest = image_digest(image)
        if digest not in seen:
            seen.add(digest)
            paths = [folder / kind / f"{files.id}.nrrd" for kind in ("images", "annotations")]
            write_image(paths[0], image)
            if role is not Role.UNLABELED:
                write_image(paths[1], labels)
            given = None if role is Role.UNLABELED else paths[1]
            site = files.site or LOCAL
            cases.append(new_case(study, paths[0], site=site, role=role, annotation=given, case_id=files.id))
        progress(done, len(roles))
    with study_lock(folder):
        study = add_cases(study, cases)
        save_study(study)
    return study


def _roles(entry: DataSet, data: Path, local_site: str, test: int) -> Iterator[tuple[Files, Role]]:
    """The cases that are used: those that are tested, the training list in its order, and the other sites."""
    files = find_files(entry, data)
    training, tested = split(entry, data, [case for case in files if case.site == local_site], test)
    for units, role in ((tested, Role.VALIDATION), (training, Role.LABELED)):
        for unit in units:
            yield from ((case, role) for case in files if case.site == local_site and entry.unit(case.id) == unit)
    yield from ((case, Role.UNLABELED) for case in files if case.site != local_site)


def show_progress(done: int, total: int) -> None:
    """Print how many cases are prepared, on a terminal over the last such line, in a file at the end."""
    if sys.stdout.isatty() or done == total:
        print(f"\r{done} of {total} cases are prepared.", end="\n" if done == total else "", flush=True)


def main() -> int:
    """Read the command line, make the study and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(all_data_sets()), help="the data set")
    parser.add_argument("data", type=Path, help="its folder")
    parser.add_argument("study", type=Path, help="folder of the new study")
    parser.add_argument("--local-site", default="", help="of a data set of several sites, the one that is labeled")
    parser.add_argument("--test", type=int, default=0, help="number of test cases (the published one)")
    options = parser.parse_args()
    try:
        folder = Path(os.path.abspath(options.study))
        study = make_study(options.name, options.data, folder, options.local_site, options.test, show_progress)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    counts = {role.value: len(study.cases_of(role)) for role in Role if study.cases_of(role)}
    print(f"{study.folder}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
