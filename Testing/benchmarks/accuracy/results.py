"""Everything that a benchmark of accuracy leaves in its folder of results."""

from __future__ import annotations

from pathlib import Path

from SemiSupervisedSegLib.study.files import write_error, write_text_atomically

from .box_plots import draw_boxes
from .rows import Benchmark
from .single_trainings import trainings_csv
from .table_html import html_page
from .table_latex import latex_tables
from .table_text import csv_table, text_table

RESULTS = "results"


def write_results(benchmark: Benchmark, folder: Path) -> str:
    """Write scores.csv, trainings.csv, tables.tex, tables.html and the box plots, and return the table as text.

    Raises:
        UserError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pictures = draw_boxes(benchmark, folder)
    except OSError as error:
        raise write_error(folder, error) from error
    drawings = [(caption, path.read_text(encoding="utf-8")) for caption, path in pictures]
    write_text_atomically(folder / "scores.csv", csv_table(benchmark))
    write_text_atomically(folder / "trainings.csv", trainings_csv(benchmark))
    write_text_atomically(folder / "tables.tex", latex_tables(benchmark))
    write_text_atomically(folder / "tables.html", html_page(benchmark, drawings))
    return text_table(benchmark)
