"""Compare UniSeMi with one Supervised model per structure, where every labeled case is annotated for one structure.

    python -m Testing.benchmarks.accuracy.multi_task [--images shared] --steps 400 --seeds 0 1 [--set NAME=VALUE]

Each labeled case of a synthetic study with three structures is annotated for one of them, in turn. By default the
images come from three data sets of one organ each, as in the publication, and every case names its organ; with
`--images shared` all three structures are in every image. UniSeMi trains one network on all cases, unlabeled ones
included; Supervised trains one network for each structure on the cases that are annotated for it. All networks train
for the same number of steps, with the same number of labeled images in each. Scores are of the final prediction on
validation cases; --set changes settings of UniSeMi.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.evaluation.compare import compare_paired
from SemiSupervisedSegLib.engine.worker.worker import main as work
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.jobs.outcome import EXIT_FINISHED
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.annotations import read_annotation, write_segmentation
from SemiSupervisedSegLib.study.images import read_image
from SemiSupervisedSegLib.study.model import Case, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study
from SemiSupervisedSegLib.study.structures import default_color

STRUCTURES = 3
FULL = {"labeled": 6, "unlabeled": 12, "validation": 6, "size": (64, 64, 8)}
TINY = {"labeled": 3, "unlabeled": 3, "validation": 3, "size": (32, 32, 4)}
IMAGES = {"apart": {"shared_anatomy": False}, "shared": {}}
"""What images show, and what UniSeMi has to know of it."""
SETTINGS = {
    "labeled_batch": 6,
    "unlabeled_batch": 6,
    "in_plane_scale": 1.0,
    "preview_interval": 0,
    "validation_interval": 0,
    "threads": 1,
}
Scores = dict[tuple[str, str, int], float]
"""Dice by structure, case and seed."""


def partial_study(folder: Path, seed: int, **size: object) -> Study:
    """Make a study of three structures whose labeled cases are annotated for one of them in turn."""
    study = generate_study(folder, structures=STRUCTURES, sites=1, external=0, seed=seed, **size)
    cases, labeled = [], 0
    for case in study.cases:
        if case.role is Role.LABELED:
            kept = 1 + labeled % STRUCTURES
            labeled += 1
            write_segmentation(study.annotation_path(case), only(study, case, kept), study.structures)
            case = dataclasses.replace(case, structures=(study.structures[kept - 1].name,))
        cases.append(case)
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def apart_study(folder: Path, seed: int, **size: object) -> Study:
    """Make a study of three data sets that show one organ each, with an appearance of their own."""
    organs = [Structure(f"organ {index}", index, default_color(index - 1)) for index in range(1, STRUCTURES + 1)]
    shares = {name: value if name == "size" else value // STRUCTURES for name, value in size.items()}
    cases = []
    for index, organ in enumerate(organs, 1):
        place, site = folder.with_name(f"{folder.name}-{index}"), seed * STRUCTURES + index
        part = generate_study(place, structures=1, sites=1, external=0, seed=site, **shares)
        if index == 1:
            study = create_study(folder, "Three data sets", part.modality, part.local_site, organs)
        for case in part.cases:
            new = Case(f"organ-{index}-{case.id}", str(part.image_path(case)), study.local_site, case.role)
            if case.annotation is not None:
                class_map = only(part, case, 1) * index
                new = dataclasses.replace(new, annotation=f"{new.id}.seg.nrrd", structures=(organ.name,))
                write_segmentation(folder / new.annotation, class_map, organs)
            cases.append(new)
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def single_study(folder: Path, study: Study, index: int) -> Study:
    """Make a study of structure number `index`, of the same images, with the cases that are annotated for it."""
    structure = study.structures[index - 1]
    single = create_study(folder, structure.name, study.modality, study.local_site, [structure])
    cases = []
    for case in study.cases:
        if case.annotation is None or structure not in study.structures_of(case):
            continue
        annotation = folder / f"{case.id}.seg.nrrd"
        class_map = only(study, case, index)
        write_segmentation(annotation, sitk.Cast(class_map > 0, sitk.sitkUInt8), [structure])
        cases.append(Case(case.id, str(study.image_path(case)), case.site, case.role, annotation.name))
    single = dataclasses.replace(single, cases=tuple(cases))
    save_study(single)
    return single


def only(study: Study, case: Case, index: int) -> sitk.Image:
    """Return the annotation of a case with nothing but class `index`."""
    classes = read_annotation(study.annotation_path(case), study.structures, read_image(study.image_path(case)))
    kept = sitk.GetArrayFromImage(classes)
    result = sitk.GetImageFromArray(np.where(kept == index, kept, 0).astype(np.uint8))
    result.CopyInformation(classes)
    return result


def train(study: Study, method: str, settings: Mapping[str, object], seed: int) -> tuple[Scores, float]:
    """Train a round in this process; return its scores and the CPU seconds it took."""
    folder = next_round(study.folder, method)
    folder.write_spec(make_training_spec(study, method, "quick", dict(settings), device="cpu", seed=seed))
    began = time.process_time()
    # The standard output of a worker is for the panel.
    with contextlib.redirect_stdout(io.StringIO()):
        code = work(folder.path)
    assert code == EXIT_FINISHED, folder.status().message
    spent = time.process_time() - began
    found = [score for score in read_metrics(folder.metrics) if score.kind == "final"]
    return {(score.structure, score.case, seed): score.dice for score in found}, spent


def run(options: argparse.Namespace, place: Path) -> tuple[dict[str, Scores], dict[str, float]]:
    """Train everything; return scores and CPU seconds by method."""
    size = TINY if options.tiny else FULL | {"labeled": options.labeled}
    make_study = {"apart": apart_study, "shared": partial_study}[options.images]
    settings = SETTINGS | {"steps": 2 if options.tiny else options.steps}
    changes = IMAGES[options.images] | dict(text.split("=", 1) for text in options.set)
    scores: dict[str, Scores] = {"supervised": {}, "unisemi": {}}
    seconds = dict.fromkeys(scores, 0.0)
    for seed in options.seeds:
        study = make_study(place / f"all-{seed}", seed, **size)
        rounds = [(study, "unisemi", settings | changes)]
        alone = {name: value for name, value in settings.items() if name != "unlabeled_batch"}
        if not options.only_unisemi:
            for index in range(1, STRUCTURES + 1):
                single = single_study(place / f"single-{seed}-{index}", study, index)
                rounds.append((single, "supervised", alone))
        for member, method, values in rounds:
            found, spent = train(member, method, values, seed)
            scores[method] |= found
            seconds[method] += spent
    return scores, seconds


def table(scores: Mapping[str, Scores], seconds: Mapping[str, float]) -> str:
    """Return the table: a row a structure and one for all, mean Dice over cases and seeds, and the paired test."""
    names = list(dict.fromkeys(structure for structure, _, _ in scores["unisemi"]))
    lines = ["structure       Supervised each  UniSeMi          difference [95 % interval]    p (Wilcoxon)"]
    for name in [*names, "all"]:
        keys = sorted(key for key in scores["unisemi"] if name in (key[0], "all"))
        pair = [[scores[method].get(key, float("nan")) for key in keys] for method in ("supervised", "unisemi")]
        result = compare_paired(*pair)
        interval = f"{result.difference:+.3f} [{result.low:+.3f}, {result.high:+.3f}]"
        lines.append(f"{name:<16}{result.first!s:<17}{result.second!s:<17}{interval:<30}{result.wilcoxon_p:.2g}")
    lines.append("CPU seconds     " + "".join(f"{seconds[method]:<17.0f}" for method in ("supervised", "unisemi")))
    return "\n".join(lines)


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", choices=list(IMAGES), default="apart", help="what they show (one organ each)")
    parser.add_argument("--steps", type=int, default=400, help="of every network (400)")
    parser.add_argument("--labeled", type=int, default=6, help="labeled cases, a third for each structure (6)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the study and the training (0)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of UniSeMi")
    parser.add_argument("--only-unisemi", action="store_true", help="leave the Supervised models out")
    parser.add_argument("--tiny", action="store_true", help="two steps on tiny images, to see whether it works")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        print(table(*run(options, Path(place))))


if __name__ == "__main__":
    main()
