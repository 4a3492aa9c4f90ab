"""A sweep whose rounds are finished with synthetic scores, for tests of what reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from SemiSupervisedSegLib.jobs.events import Validated
from SemiSupervisedSegLib.jobs.metrics_file import write_metrics
from SemiSupervisedSegLib.jobs.structure_score import StructureScore
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

from .protocol import checked
from .protocol_model import Data, MethodRow, Protocol, PublishedRows
from .sweep_cells import Cell, Sweep, cells, round_of, write_record

STRUCTURES = ("inner", "outer")
CASES = 6
CPU_SECONDS = 100.0
"""Processor time of the training with the seed 0; that of others is longer by their seed."""
Scores = dict[tuple[str, int], list[StructureScore]]
"""Scores by title of the row and seed."""
PUBLISHED = PublishedRows("ACDC", ("SS-Net T2",), "Published on other cases.")


def synthetic_protocol(**changes: object) -> Protocol:
    """Three rows, one label count, two seeds, with the published numbers of ACDC."""
    rows = (
        MethodRow("supervised", published="Supervised"),
        MethodRow("ua_mt", published="UA-MT"),
        MethodRow("cpcl", "CPCL & more_steps", {"steps": 20}),
    )
    protocol = Protocol(
        "Synthetic",
        Data("study"),
        labeled=(7,),
        seeds=(0, 1),
        methods=rows,
        preset="quick",
        reference="supervised",
        settings={"steps": 10},
        published=PUBLISHED,
    )
    return checked(dataclasses.replace(protocol, **changes))


def synthetic_study(folder: Path, labeled: int, external: int = 0) -> Study:
    """A study without any file beside its own, whose last `external` validation cases are of another site."""
    structures = [Structure(name, index, (200, 50 * index, 0)) for index, name in enumerate(STRUCTURES, 1)]
    study = create_study(folder, "Synthetic", Modality.MR, "local", structures)
    roles = [Role.LABELED] * labeled + [Role.UNLABELED] * 3 + [Role.VALIDATION] * CASES
    sites = ["local"] * (len(roles) - external) + ["away"] * external
    cases = [
        Case(f"case-{number}", f"{number}.nrrd", site, role, None if role is Role.UNLABELED else f"{number}.seg.nrrd")
        for number, (role, site) in enumerate(zip(roles, sites, strict=True))
    ]
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


def synthetic_scores(study: Study, seed: int) -> list[StructureScore]:
    """Scores of the validation cases, in an order of their own for each seed."""
    rng = np.random.default_rng(seed)
    scores = []
    for case in rng.permutation([case.id for case in study.cases_of(Role.VALIDATION)]):
        for structure in STRUCTURES:
            for kind in ("final", "prototype"):
                dice = rng.uniform(0.5, 0.95)
                distances = rng.uniform(1, 30, 5).tolist()
                jaccard = dice / (2 - dice)
                scores.append(
                    StructureScore(str(case), structure, kind, dice, jaccard, *distances, 5.0, 6.0, False, False)
                )
    return scores


def finish(study: Study, sweep: Sweep, cell: Cell, scores: list[StructureScore], followed: list[float]) -> None:
    """Leave behind what the worker of a cell leaves."""
    folder = round_of(sweep, cell, study, "cpu")
    for step, dice in enumerate(followed, 1):
        folder.append_event(Validated(step, {"inner": dice, "outer": dice - 0.1}, dice - 0.05))
    write_metrics(folder.metrics, scores)
    folder.write_status("finished")
    result = {"kind": "train", "method": cell.row.method, "steps": 10, "mean_dice": {}, "cases": []}
    folder.write_result(result | {"cpu_seconds": CPU_SECONDS + cell.seed})


def synthetic_sweep(folder: Path, unfinished: int = 0, external: int = 0, **changes: object) -> Scores:
    """Write a sweep whose last `unfinished` cells are not done; return the scores by title and seed."""
    sweep = Sweep(synthetic_protocol(**changes))
    write_record(folder, sweep)
    study = synthetic_study(folder / "labeled-7", 7, external)
    planned = cells(sweep.protocol)
    scores = {}
    for number, cell in enumerate(planned[: len(planned) - unfinished]):
        own = scores[cell.row.title, cell.seed] = synthetic_scores(study, number)
        finish(study, sweep, cell, own, [0.2, 0.9, 0.7] if cell.seed else [0.3, 0.5, 0.8])
    return scores
