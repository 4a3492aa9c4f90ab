"""Compare ways to choose the case that is annotated next: annotations are revealed one case a round.

    python -m Testing.benchmarks.accuracy.next_case --quick
    python -m Testing.benchmarks.accuracy.next_case --data DATA

All ways begin with the same annotated cases and the same first round. After each round a way chooses one of the cases
without annotation, whose annotation is revealed for the next round:

* listed: the first one of the panel's list (`panel.logic.ranking`);
* random: any.

The table has the mean Dice of the validation cases after each round. The study is a phantom, or with ``--data`` made
of the first training patients of ACDC (see `acdc_study`), the next ten being the validation cases; so no official
validation patient is read.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from SemiSupervisedSegLib.engine.worker.worker import main as run_worker
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.results import CaseSummary, read_summaries
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.ranking import ranked
from SemiSupervisedSegLib.phantom.generate import generate_study
from SemiSupervisedSegLib.study.cases import add_usable_cases, new_case
from SemiSupervisedSegLib.study.model import Modality, Role, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

from .acdc_study import STRUCTURES, read_splits

Choice = Callable[[Sequence[CaseSummary], str, int], str]
VALIDATION_PATIENTS = 10


def choose_listed(waiting: Sequence[CaseSummary], study: str, round_number: int) -> str:
    """Return the first case of the panel's list."""
    return ranked(waiting, study=study, round_number=round_number)[0].case


def choose_random(waiting: Sequence[CaseSummary], study: str, round_number: int) -> str:
    """Return any case."""
    return random.Random(f"{study}/{round_number}").choice([summary.case for summary in waiting])


CHOICES: dict[str, Choice] = {"listed": choose_listed, "random": choose_random}


def acdc_pool(data: Path, folder: Path, patients: int) -> Study:
    """Make a study of the first training patients, all annotated, and of the validation patients after them."""
    order, case_ids = read_splits(data)
    study = create_study(folder, folder.name, Modality.MR, "local", STRUCTURES)
    cases = []
    for case_id in case_ids:
        place = order.index(case_id.split("_")[0]) if case_id.split("_")[0] in order else len(order)
        if place < patients + VALIDATION_PATIENTS:
            role = Role.LABELED if place < patients else Role.VALIDATION
            image, annotation = data / "images" / f"{case_id}.nrrd", data / "labels" / f"{case_id}.nrrd"
            cases.append(new_case(study, image, site="local", role=role, annotation=annotation, case_id=case_id))
    study, _ = add_usable_cases(study, cases)
    return study


def annotated_for(study: Study, chosen: Sequence[str]) -> Study:
    """Return the study in which only the chosen ones of the labeled cases have their annotation."""
    hidden = [
        dataclasses.replace(case, role=Role.UNLABELED, annotation=None)
        if case.role is Role.LABELED and case.id not in chosen
        else case
        for case in study.cases
    ]
    return dataclasses.replace(study, cases=tuple(hidden))


def train(study: Study, options: argparse.Namespace, seed: int) -> tuple[float, list[CaseSummary]]:
    """Train a round and return the mean Dice of the validation cases, and the summaries of the others."""
    settings = {"steps": options.steps, "validation_interval": 0, "preview_interval": 0, "threads": options.threads}
    if options.data is None:
        settings["in_plane_scale"] = 1.0
    save_study(study)
    folder = next_round(study.folder, options.method)
    folder.write_spec(make_training_spec(study, options.method, "quick", settings, device="cpu", seed=seed))
    # In this process, as loading PyTorch would take longer than a short training.
    with contextlib.redirect_stdout(io.StringIO()):
        exit_code = run_worker(folder.path)
    if exit_code:
        raise RuntimeError(folder.status().message)
    dice = (folder.result() or {})["mean_dice"]["final"]
    waiting = {case.id for case in study.cases if case.annotation is None}
    return dice, [summary for summary in read_summaries(folder) if summary.case in waiting]


def follow(
    choice: Choice,
    pool: Study,
    chosen: list[str],
    waiting: Sequence[CaseSummary],
    options: argparse.Namespace,
    seed: int,
) -> list[float]:
    """Return the Dice after each round but the first, with annotations revealed by a choice.

    Args:
        choice: Way to choose.
        pool: Study in which all cases are annotated.
        chosen: Cases that are annotated in the first round.
        waiting: Results of the first round for the other ones.
        options: Options of the command line.
        seed: Seed of the trainings.
    """
    scores = []
    for number in range(1, options.rounds):
        chosen = [*chosen, choice(waiting, f"{pool.name} {seed}", number)]
        dice, waiting = train(annotated_for(pool, chosen), options, seed)
        scores.append(dice)
    return scores


def compare(options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Return the Dice of each way, draw and round."""
    scores: dict[str, list[list[float]]] = {name: [] for name in CHOICES}
    for seed in range(options.draws):
        with tempfile.TemporaryDirectory() as folder:
            pool = make_pool(Path(folder) / "pool", options, seed)
            cases = [case.id for case in pool.cases if case.role is Role.LABELED]
            first = random.Random(seed).sample(cases, options.first)
            dice, waiting = train(annotated_for(pool, first), options, seed)
            for name, choice in CHOICES.items():
                scores[name].append([dice, *follow(choice, pool, first, waiting, options, seed)])
                print(f"draw {seed}  {name:8} " + "  ".join(f"{value:.3f}" for value in scores[name][-1]), flush=True)
    return scores


def make_pool(folder: Path, options: argparse.Namespace, seed: int) -> Study:
    """Make the study in which all cases are annotated."""
    if options.data is not None:
        return acdc_pool(options.data, folder, options.pool)
    return generate_study(folder, name="pool", labeled=options.pool, unlabeled=0, external=0, validation=6, seed=seed)


def table(scores: dict[str, list[list[float]]]) -> str:
    """Return the mean over the draws after each round, and over the rounds after the first one."""
    lines = [
        "way         " + "  ".join(f"{n:5}" for n in range(1, 1 + len(scores["random"][0]))) + "   rounds 2 to last"
    ]
    for name, draws in scores.items():
        values = np.array(draws)
        over_rounds = values[:, 1:].mean(axis=1)
        means = "  ".join(f"{value:.3f}" for value in values.mean(axis=0))
        lines.append(f"{name:10}  {means}   {over_rounds.mean():.3f} ({over_rounds.std():.3f})")
    return "\n".join(lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of ACDC with images/, labels/ and splits.json (a phantom)")
    parser.add_argument("--method", default="supervised", help="id of the method (supervised)")
    parser.add_argument("--pool", type=int, default=20, help="cases, with --data patients, to choose from (20)")
    parser.add_argument("--first", type=int, default=2, help="annotated cases of the first round (2)")
    parser.add_argument("--rounds", type=int, default=6, help="rounds (6)")
    parser.add_argument("--draws", type=int, default=5, help="draws of the first cases, and of the phantom (5)")
    parser.add_argument("--steps", type=int, default=400, help="training steps of a round (400)")
    parser.add_argument("--threads", type=int, default=0, help="processor cores to use (all)")
    parser.add_argument("--output", type=Path, help="file for the figures as JSON")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--quick", action="store_true", help="a form of minutes")
    forms.add_argument("--tiny", action="store_true", help="a form of seconds")
    options = parser.parse_args()
    if options.quick:
        options.pool, options.rounds, options.draws, options.steps = 10, 4, 2, 60
    if options.tiny:
        options.pool, options.rounds, options.draws, options.steps = 4, 2, 1, 2
    scores = compare(options)
    print(table(scores))
    if options.output is not None:
        options.output.write_text(json.dumps(scores, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
