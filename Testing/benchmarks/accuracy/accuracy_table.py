"""Print a table of the finished rounds of a study: one row a method, mean (standard deviation) over validation cases.

    python -m Testing.benchmarks.accuracy.accuracy_table STUDY [--against supervised]

Rounds of one method and length are averaged case by case first, so a study for this table holds rounds that differ in
their seeds only. Methods are compared with ``--against`` of the same length by a paired Wilcoxon test over cases.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from SemiSupervisedSegLib.engine.evaluation.compare import compare_paired, summarise
from SemiSupervisedSegLib.engine.evaluation.tables import case_means, read_metrics
from SemiSupervisedSegLib.jobs.rounds import rounds

METRICS = {"Dice": "dice", "Jaccard": "jaccard", "95HD (voxels)": "hd95_voxel", "ASD (voxels)": "asd_voxel"}
KINDS = ("final", "prototype")
Scores = dict[tuple[str, str], list[dict[str, float]]]


def collect(study: Path) -> tuple[dict[str, Scores], dict[str, list[int]]]:
    """Return, by method and steps, the means of each case by (kind, metric) of every round, and the seeds."""
    found: dict[str, Scores] = defaultdict(lambda: defaultdict(list))
    seeds: dict[str, list[int]] = defaultdict(list)
    for folder in rounds(study):
        result = folder.result()
        if result is None or result["kind"] != "train":
            continue
        row = f"{result['method']} ({result['steps']} steps)"
        seeds[row].append(folder.spec().seed)
        scores = read_metrics(folder.metrics)
        for kind in KINDS:
            of_kind = [score for score in scores if score.kind == kind]
            for metric in METRICS.values():
                found[row][kind, metric].append(case_means(of_kind, metric))
    return found, seeds


def over_seeds(runs: list[dict[str, float]]) -> list[float]:
    """Average the runs of all seeds case by case, in the order of the case ids."""
    return [float(np.mean([run[case] for run in runs])) for case in sorted(runs[0])]


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--against", default="supervised", help="the method that others are compared with (supervised)")
    options = parser.parse_args()
    found, seeds = collect(options.study)
    for kind in KINDS:
        print(f"\n{kind} prediction\n" + "".join(name.ljust(18) for name in ("seeds", *METRICS, "p (Dice)")) + "method")
        for row, scores in sorted(found.items()):
            cells = [", ".join(map(str, sorted(seeds[row])))]
            cells += [str(summarise(over_seeds(scores[kind, metric]))) for metric in METRICS.values()]
            p_value = ""
            reference = f"{options.against} {row.partition(' ')[2]}"
            if reference in found and row != reference:
                first = over_seeds(found[reference][kind, "dice"])
                p_value = f"{compare_paired(first, over_seeds(scores[kind, 'dice'])).wilcoxon_p:.2g}"
            print("".join(cell.ljust(18) for cell in (*cells, p_value)) + row)


if __name__ == "__main__":
    main()
