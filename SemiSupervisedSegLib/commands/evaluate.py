"""`evaluate`: scores of a round and its report, or two rounds compared."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..jobs.continuation import is_unfinished
from ..jobs.folder import JobFolder
from ..jobs.rounds import find_round
from ..study.errors import UserError, all_failures
from ..study.model import Role
from ..study.store import load_study
from .columns import print_columns
from .failures import report_failures

if TYPE_CHECKING:
    from ..jobs.structure_score import StructureScore

METRICS = (("dice", "Dice"), ("jaccard", "Jaccard"), ("hd95_mm", "95HD mm"), ("asd_mm", "ASD mm"))
VOXEL_METRICS = (("hd95_voxel", "95HD vox"), ("asd_voxel", "ASD vox"))
ALL = "all structures"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("evaluate", help="score a round against annotations, or compare two rounds")
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--round", help="score this round; writes its metrics.csv and report.html")
    what.add_argument("--compare", nargs=2, metavar=("ROUND_A", "ROUND_B"), help="compare the scores of two rounds")
    parser.add_argument(
        "--cases",
        choices=("validation", "labeled", "all"),
        default="validation",
        help="which annotated cases (validation)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluate a round and return the exit code; raises UserError when there is nothing to score."""
    from ..engine.evaluation.scoring import roles_of

    study = load_study(options.study)
    roles = roles_of(options.cases)
    failures: list[UserError] = []
    if options.compare:
        first, second = (find_round(study.folder, name) for name in options.compare)
        both = [_score(folder, roles, failures) for folder in (first, second)]
        _compare(first, second, both)
        return _report_failures(failures, *both)
    folder = find_round(study.folder, options.round)
    scores = _score(folder, roles, failures)
    _print_table(scores)
    print(f"Scores of every case: {folder.metrics}")
    print(f"Report: {folder.report}")
    return _report_failures(failures, scores)


def _report_failures(failures: Sequence[UserError], *scores: Sequence[StructureScore]) -> int:
    scored = sum(len({score.case for score in group}) for group in scores)
    return report_failures(failures, scored + len(failures), "scored")


def _score(folder: JobFolder, roles: Sequence[Role], failures: list[UserError]) -> list[StructureScore]:
    from ..engine.evaluation.scoring import evaluate_round

    if folder.head().kind == "train" and is_unfinished(folder):
        raise UserError(
            f"The round {folder.name} is not finished.",
            f"Resume it with train --resume {folder.name}, or choose a finished round.",
        )
    scores = evaluate_round(folder, roles, on_failure=failures.append)
    if failures and not scores:
        raise all_failures(failures)
    if not scores:
        raise UserError(
            f"Round {folder.name} has no predicted case with an annotation to compare with.",
            "Give some annotated cases the role validation before training, or use --cases labeled.",
        )
    return scores


def _print_table(scores: Sequence[StructureScore]) -> None:
    from ..engine.evaluation.compare import summarise
    from ..jobs.metrics_file import case_means, measurable

    metrics = METRICS + VOXEL_METRICS
    cases = len({score.case for score in scores})
    print(f"Mean (standard deviation) over {cases} case{'s' if cases > 1 else ''}")
    rows = [["prediction", "structure", *(title for _, title in metrics)]]
    for kind in ("final", "prototype"):
        for name, group in _by_structure(measurable(scores), kind).items():
            values = [summarise(list(case_means(group, metric).values())) for metric, _ in metrics]
            rows.append([kind, name, *map(str, values)])
    print_columns(rows)
    names = sorted({score.structure for score in scores} - {score.structure for score in measurable(scores)})
    if names:
        print(f"Without scores, because no annotation of these cases shows it: {', '.join(names)}")


def _compare(first: JobFolder, second: JobFolder, scores: Sequence[Sequence[StructureScore]]) -> None:
    from ..engine.evaluation.compare import compare_paired
    from ..jobs.metrics_file import case_means, measurable

    shared = {score.case for score in scores[0]} & {score.case for score in scores[1]}
    if not shared:
        raise UserError("The two rounds have no scored case in common.", "Compare rounds of the same study.")
    print(f"{first.name} against {second.name} on {len(shared)} cases: mean (standard deviation)")
    header = ["structure", "metric", first.name, second.name, "difference [95 % interval]", "p Wilcoxon", "p t-test"]
    rows = [header]
    both = [
        _by_structure(measurable(score for score in of_round if score.case in shared), "final") for of_round in scores
    ]
    for name in both[0]:
        if name not in both[1]:
            continue
        for metric, title in METRICS:
            means = [case_means(side[name], metric) for side in both]
            # A case may be annotated for other structures.
            order = sorted(means[0].keys() & means[1].keys())
            if not order:
                continue
            result = compare_paired(*([values[case] for case in order] for values in means))
            interval = f"{result.difference:+.3f} [{result.low:+.3f}, {result.high:+.3f}]"
            p_values = [f"{result.wilcoxon_p:.2g}", f"{result.t_p:.2g}"]
            rows.append([name, title, str(result.first), str(result.second), interval, *p_values])
    print_columns(rows)


def _by_structure(scores: Sequence[StructureScore], kind: str) -> dict[str, list[StructureScore]]:
    """Return the scores of one kind of prediction by structure, and of all together when there are several."""
    selected = [score for score in scores if score.kind == kind]
    groups: dict[str, list[StructureScore]] = {}
    for score in selected:
        groups.setdefault(score.structure, []).append(score)
    return groups | ({ALL: selected} if len(groups) > 1 else {})
