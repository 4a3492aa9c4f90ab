"""Print the accuracy table of a sweep, or of all finished rounds of any study, and write it as CSV, LaTeX and HTML.

    python -m Testing.benchmarks.accuracy.tables STUDY_OR_SWEEP [--output FOLDER] [--against supervised]

Mean (standard deviation) over validation cases, after seeds were averaged case by case, with paired tests over cases
against the reference method. A sweep's protocol says reference, metrics and published numbers. In a study, rounds with
equal settings that differ in their seeds make one row, and rows are compared at equal numbers of steps and labeled
cases with the method ``--against``. ``--best-on-test`` adds rows with the best Dice that validation cases had at any
step, named so; they can be compared with nothing that was not chosen in the same way.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from SemiSupervisedSegLib.study.errors import UserError

from .results import write_results
from .rows import collect
from .table_text import text_table


def main() -> int:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a sweep, or of a study")
    parser.add_argument("--output", type=Path, help="where files go; only the text is printed when left out")
    parser.add_argument("--against", default="supervised", help="of a study: the method others are tested against")
    parser.add_argument("--best-on-test", action="store_true", help="see above; off when left out")
    options = parser.parse_args()
    try:
        benchmark = collect(options.folder, options.against)
        benchmark = dataclasses.replace(benchmark, best_on_test=benchmark.best_on_test or options.best_on_test)
        print(text_table(benchmark) if options.output is None else write_results(benchmark, options.output))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
