"""Make a study, add cases to it, change them, and show it."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..study.annotations import structures_of
from ..study.case_table import cases_from_table
from ..study.cases import add_usable_cases, cases_from_images, change_cases, new_case
from ..study.checks import Findings, check_roles
from ..study.duplicates import ImageDigests
from ..study.errors import UserError
from ..study.geometry import Geometry
from ..study.image_files import images_among, matching_paths
from ..study.model import Case, Modality, Role, Structure, Study
from ..study.partial_annotations import ALL, SEPARATOR
from ..study.store import create_study, load_study, save_study, study_lock
from ..study.structures import default_color
from .columns import print_columns
from .failures import report_failures

_MOST_NAMES = 5
_STRUCTURE = re.compile(r"(?P<name>[^=]+?)(=(?P<label>\d+))?(:#(?P<color>[0-9a-fA-F]{6}))?")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command `study` with `create`, `add`, `change` and `show`."""
    study = subparsers.add_parser("study", help="make a study, add cases to it, change them, show it")
    actions = study.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_create(actions)
    _add_add(actions)
    _add_change(actions)
    show = actions.add_parser("show", help="show structures, cases and problems of a study")
    show.add_argument("folder", type=Path, metavar="FOLDER", help="the study folder")
    show.add_argument("--names", action="store_true", help="show the names of cases, which can be those of patients")
    show.set_defaults(run=run, act=_show)


def run(arguments: argparse.Namespace) -> int:
    """Execute the parsed arguments and return the exit code; raises UserError."""
    return arguments.act(arguments)


def _add_create(actions: argparse._SubParsersAction) -> None:
    create = actions.add_parser("create", help="make an empty study")
    create.add_argument("folder", type=Path, metavar="FOLDER", help="the study folder, which is made if need be")
    create.add_argument("--name", required=True, help="what the study is called")
    create.add_argument("--modality", required=True, choices=[item.value for item in Modality])
    create.add_argument("--site", required=True, help="the local site; all others are external")
    structures = create.add_mutually_exclusive_group(required=True)
    structures.add_argument(
        "--structure",
        action="append",
        metavar="NAME[=LABEL][:#RRGGBB]",
        help="a structure, its value in labelmaps and its colour; can be repeated",
    )
    structures.add_argument(
        "--structures-from", type=Path, metavar="FILE", help="take the structures of this .seg.nrrd file"
    )
    create.set_defaults(run=run, act=_create)


def _add_add(actions: argparse._SubParsersAction) -> None:
    add = actions.add_parser("add", help="add images, with annotations where there are some")
    add.add_argument("folder", type=Path, metavar="FOLDER", help="the study folder")
    add.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="image files or DICOM series folders")
    add.add_argument("--pattern", help='add all images that match, such as "images/*.nrrd"')
    add.add_argument(
        "--table", type=Path, help="add the cases of a CSV table: image,site,role,annotation,id,structures,name"
    )
    add.add_argument("--role", choices=[item.value for item in Role], help="what the images are used for")
    add.add_argument("--site", help="where the images come from")
    add.add_argument("--annotation", type=Path, metavar="FILE", help="the annotation of a single image")
    add.add_argument("--annotations", metavar="PATTERN", help='annotations of --pattern, such as "labels/{id}.nrrd"')
    add.add_argument("--id", help="the id of a single image; otherwise taken from the file name")
    add.add_argument("--name", help="the name that the panel shows for a single image")
    add.add_argument("--structures", metavar="NAME+NAME", help="what the images are annotated for, if not for all")
    add.set_defaults(run=run, act=_add)


def _add_change(actions: argparse._SubParsersAction) -> None:
    change = actions.add_parser("change", help="change the role, site, annotation, structures or name of cases")
    change.add_argument("folder", type=Path, metavar="FOLDER", help="the study folder")
    change.add_argument("cases", nargs="+", metavar="CASE", help="ids of cases")
    change.add_argument(
        "--role", choices=[item.value for item in Role], help="what the images are used for from now on"
    )
    change.add_argument("--site", help="where the images come from")
    change.add_argument("--annotation", type=Path, metavar="FILE", help="the annotation of a single case")
    change.add_argument("--name", help="the name that the panel shows for a single case")
    change.add_argument("--structures", metavar="NAME+NAME", help="what the cases are annotated for, or: all")
    change.set_defaults(run=run, act=_change)


def _create(arguments: argparse.Namespace) -> int:
    if arguments.structures_from is not None:
        structures = structures_of(arguments.structures_from)
    else:
        structures = parse_structures(arguments.structure)
    study = create_study(arguments.folder, arguments.name, arguments.modality, arguments.site, structures)
    names = ", ".join(structure.name for structure in study.structures)
    print(f"Made the study {study.name} with {_count(len(study.structures), 'structure')}: {names}.")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    _check_add(arguments)
    with study_lock(load_study(arguments.folder).folder):
        study = load_study(arguments.folder)
        before = len(study.cases)
        cases = _new_cases(study, arguments)
        digests = ImageDigests(study.layout)
        study, failures = add_usable_cases(study, cases, digests)
        if failures and len(cases) == 1:
            raise failures[0]
        if len(study.cases) > before:
            save_study(study)
            digests.save()
    print(f"Added {_count(len(study.cases) - before, 'case')}; the study has {len(study.cases)} now.")
    return report_failures(failures, len(cases), "added")


def _new_cases(study: Study, arguments: argparse.Namespace) -> list[Case]:
    if arguments.table is not None:
        return cases_from_table(study, arguments.table)
    use = {"site": arguments.site, "role": arguments.role, "structures": arguments.structures}
    if any(value is not None for value in (arguments.annotation, arguments.id, arguments.name)):
        files = {"annotation": arguments.annotation, "case_id": arguments.id, "name": arguments.name}
        return [new_case(study, arguments.images[0], **files, **use)]
    given = arguments.images if arguments.pattern is None else matching_paths(arguments.pattern)
    images, left_out = images_among(given, study.structures)
    if arguments.pattern is None:
        # What the user named is an image or refused with the reason.
        images += left_out
    elif left_out:
        names = ", ".join(path.name for path in left_out[:_MOST_NAMES]) + (
            " ..." if len(left_out) > _MOST_NAMES else ""
        )
        print(f"Left out {len(left_out)} that are no images, such as segmentations and label maps: {names}")
    for folder in images:
        if folder.is_dir() and folder not in given:
            print(f"The slices in {folder} are one image, a DICOM series.")
    if not images:
        raise UserError(f"No image matches {arguments.pattern}.", "Change the pattern so that it matches images.")
    return cases_from_images(study, images, annotations=arguments.annotations, **use)


def _change(arguments: argparse.Namespace) -> int:
    if len(arguments.cases) != 1 and not (arguments.annotation is arguments.name is None):
        raise UserError("An annotation or a name belongs to a single case.", "Name one case.")
    with study_lock(load_study(arguments.folder).folder):
        study = load_study(arguments.folder)
        fields = ("role", "site", "annotation", "structures", "name")
        changes = {field: getattr(arguments, field) for field in fields}
        save_study(change_cases(study, arguments.cases, **changes))
    print(f"Changed {_count(len(arguments.cases), 'case')}.")
    return 0


def _check_add(arguments: argparse.Namespace) -> None:
    ways = [bool(arguments.images), arguments.pattern is not None, arguments.table is not None]
    if sum(ways) != 1:
        raise UserError("It is not clear what to add.", "Name either images, or a --pattern, or a --table.")
    single = any(value is not None for value in (arguments.annotation, arguments.id, arguments.name))
    if single and len(arguments.images) != 1:
        raise UserError(
            "--annotation, --id and --name belong to a single image.",
            "Use --pattern with --annotations, or --table, for more.",
        )
    if arguments.annotations is not None and arguments.pattern is None:
        raise UserError("--annotations belongs to --pattern.", "Use --annotation for a single image.")
    described = [name for name in ("role", "site", "structures") if getattr(arguments, name) is not None]
    if arguments.table is not None and described:
        raise UserError(f"--{described[0]} does not go with --table.", f"The table has a column {described[0]}.")
    if arguments.table is None and not {"role", "site"} <= set(described):
        raise UserError("The role or site of the new cases is missing.", "Give both --role and --site.")


def _show(arguments: argparse.Namespace) -> int:
    study = load_study(arguments.folder)
    print(f"{study.name} ({study.modality.value}), local site {study.local_site}\n")
    rows = [(item.name, str(item.label), "#" + bytes(item.color).hex()) for item in study.structures]
    _print_table(("structure", "label", "colour"), rows)
    _print_table(("site", *Role, "total"), _site_rows(study))
    findings, problems = _read_cases(study)
    partial = any(case.structures is not None for case in study.cases)
    titles = ("case", "role", "site", "size", "spacing in mm", *(["annotated for"] if partial else []))
    _print_table(titles, _case_rows(study, findings.geometries, partial))
    if arguments.names:
        _print_table(("case", "name"), [(case.id, case.title) for case in study.cases])
    for warning in _warnings(study, findings):
        print(f"Warning: {warning}")
    for problem in problems:
        print(f"Problem: {problem}")
    return 1 if problems else 0


def _read_cases(study: Study) -> tuple[Findings, list[str]]:
    findings, problems = Findings(study), []
    for case in study.cases:
        if case.role == Role.IGNORED:
            continue
        try:
            findings.read(case)
        except UserError as error:
            problems.append(str(error))
    return findings, problems


def _warnings(study: Study, findings: Findings) -> list[str]:
    try:
        check_roles(study)
    except UserError as error:
        return [str(error), *findings.warnings()]
    return findings.warnings()


def _site_rows(study: Study) -> list[tuple[str, ...]]:
    counts = Counter((case.site, case.role) for case in study.cases)
    sites = sorted({case.site for case in study.cases}, key=lambda site: (site != study.local_site, site))
    rows = [(site, *(counts[site, role] for role in Role)) for site in sites]
    rows.append(("all", *(len(study.cases_of(role)) for role in Role)))
    return [(site, *map(str, numbers), str(sum(numbers))) for site, *numbers in rows]


def _case_rows(study: Study, geometries: dict[str, Geometry], partial: bool) -> list[tuple[str, ...]]:
    rows = [(case.id, case.role.value, case.site, *_grid(case, geometries)) for case in study.cases]
    if not partial:
        return rows
    return [
        (*row, ALL if case.structures is None else SEPARATOR.join(case.structures))
        for row, case in zip(rows, study.cases, strict=True)
    ]


def _grid(case: Case, geometries: dict[str, Geometry]) -> tuple[str, str]:
    geometry = geometries.get(case.id)
    if geometry is None:
        return "?", "?"
    return geometry.size_text(), geometry.spacing_text()


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print_columns((titles, *rows))
    print()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def parse_structures(texts: Sequence[str]) -> tuple[Structure, ...]:
    """Parse texts such as "left ventricle=3:#ff8800"; a missing label or colour is chosen."""
    matches = [_STRUCTURE.fullmatch(text) for text in texts]
    taken = {int(match["label"]) for match in matches if match and match["label"]}
    free = (label for label in range(1, 256) if label not in taken)
    structures = []
    for index, (text, match) in enumerate(zip(texts, matches, strict=True)):
        if match is None:
            raise UserError(
                f"The structure {text!r} cannot be understood.", "Write NAME, NAME=LABEL or NAME=1:#ff8800."
            )
        label = int(match["label"]) if match["label"] else next(free, 256)
        color = tuple(bytes.fromhex(match["color"])) if match["color"] else default_color(index)
        structures.append(Structure(match["name"].strip(), label, color))
    return tuple(structures)
