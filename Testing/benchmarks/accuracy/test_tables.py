from __future__ import annotations

import csv
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from SemiSupervisedSegLib.jobs.rounds import rounds
from SemiSupervisedSegLib.study.errors import UserError

from .results import write_results
from .rows import Benchmark, collect
from .single_trainings import trainings_csv
from .sweep_cells import Sweep, write_record
from .synthetic_sweep import CPU_SECONDS, STRUCTURES, synthetic_protocol, synthetic_sweep
from .table_html import html_page
from .table_latex import latex_tables
from .table_text import csv_table, text_table


def by_case(scores: dict, title: str, kind: str, metric: str, structures: tuple[str, ...] = STRUCTURES) -> list[float]:
    """Mean over structures of each case, then over seeds, in the order of the cases' ids, computed independently."""
    runs = [run for (own, _), run in scores.items() if own == title]
    cases = sorted({score.case for score in runs[0]})
    table = np.array(
        [
            [
                next(getattr(s, metric) for s in run if (s.case, s.structure, s.kind) == (case, name, kind))
                for name in structures
            ]
            for run in runs
            for case in cases
        ]
    ).reshape(len(runs), len(cases), len(structures))
    return table.mean(axis=(0, 2)).tolist()


def rows_of(benchmark: Benchmark) -> dict[tuple[str, str, str], dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(csv_table(benchmark))))
    return {(row["method"], row["kind"], row["metric"]): row for row in rows}


def test_numbers_are_those_of_numpy_and_scipy(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path)
    rows = rows_of(collect(tmp_path))
    assert len(rows) == 3 * 2 * 4
    for kind in ("final", "prototype"):
        for metric, factor in (("dice", 100), ("jaccard", 100), ("hd95_voxel", 1), ("asd_one_directional_voxel", 1)):
            reference = factor * np.array(by_case(scores, "Supervised", kind, metric))
            values = factor * np.array(by_case(scores, "UA-MT", kind, metric))
            row = rows["UA-MT", kind, metric]
            expected = [values.mean(), values.std(ddof=1), (values - reference).mean()]
            found = [float(row[name]) for name in ("mean", "std", "difference")]
            assert found == pytest.approx(expected, rel=1e-4)
            assert float(row["p_wilcoxon"]) == pytest.approx(stats.wilcoxon(values, reference).pvalue, rel=1e-3)
            assert float(row["p_t_test"]) == pytest.approx(stats.ttest_rel(values, reference).pvalue, rel=1e-3)
            assert float(row["difference_low"]) < expected[2] < float(row["difference_high"])
            assert (row["seeds"], row["cases"], row["labeled"], row["reference"]) == ("0 1", "6", "7", "Supervised")
            assert rows["Supervised", kind, metric]["p_wilcoxon"] == ""


def test_only_the_structures_of_the_protocol_count(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path, structures=("outer",))
    found = rows_of(collect(tmp_path))["UA-MT", "final", "dice"]
    assert float(found["mean"]) == pytest.approx(100 * np.mean(by_case(scores, "UA-MT", "final", "dice", ("outer",))))


def test_published_numbers_stand_beside_final_predictions_only(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path)
    rows = rows_of(collect(tmp_path))
    found = {key: (row["published"], row["published_source"]) for key, row in rows.items() if row["published"]}
    assert found["Supervised", "final", "dice"] == ("79.41", "SS-Net T2")
    assert found["UA-MT", "final", "hd95_voxel"] == ("6.88", "SS-Net T2")
    assert found["UA-MT", "final", "asd_one_directional_voxel"] == ("2.02", "SS-Net T2")
    assert len(found) == 8
    assert all(kind == "final" for _, kind, _ in found)


def test_latex_has_scores_published_numbers_and_tests(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path)
    tables = latex_tables(collect(tmp_path))
    values = 100 * np.array(by_case(scores, "UA-MT", "final", "dice"))
    line = next(line for line in tables.splitlines() if line.startswith("7 & UA-MT &"))
    cells = [cell.strip() for cell in line.removesuffix(r" \\").split("&")]
    assert cells[2].startswith(f"{values.mean():.2f} ({values.std(ddof=1):.2f})")
    assert cells[3::2] == ["81.65", "70.64", "6.88", "2.02"]
    assert r"CPCL \& more\_steps" in tables
    assert r"Dice, \%" in tables
    assert tables.count(r"\begin{tabular}") == tables.count(r"\bottomrule") == 5
    # Every line of a table has as many cells as its head.
    for table in tables.split(r"\toprule")[1:]:
        lines = [line for line in table.split(r"\bottomrule")[0].splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == 1
    p_values = stats.wilcoxon(values, 100 * np.array(by_case(scores, "Supervised", "final", "dice"))).pvalue
    assert f"{p_values:.2g}" in tables.split("paired tests against")[1]


def test_html_is_whole_and_has_the_published_numbers_with_their_source(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path)
    page = html_page(collect(tmp_path))
    for number in ("79.41", "68.11", "9.35", "2.70", "81.65", "70.64", "6.88", "2.02"):
        assert f'<td class="published">{number} <small>SS-Net T2</small></td>' in page
    assert "CPCL &amp; more_steps" in page
    assert "Published on other cases." in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert unclosed(page) == []


def unclosed(page: str) -> list[str]:
    """Elements that are not closed in the order in which they were opened."""
    open_elements: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list) -> None:
            if tag not in ("meta", "br", "img"):
                open_elements.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if open_elements[-1] == tag:
                open_elements.pop()

    Reader().feed(page)
    return open_elements


def test_test_cases_of_other_sites_have_rows_of_their_own(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path, external=2)
    benchmark = collect(tmp_path)
    titles = ["Supervised", "UA-MT", "CPCL & more_steps"]
    assert [row.title for row in benchmark.rows] == [*titles, *(f"{title} (other sites)" for title in titles)]
    rows = rows_of(benchmark)
    own, reference = (np.array(by_case(scores, title, "final", "dice")) for title in ("UA-MT", "Supervised"))
    # The last two of the six cases.
    for title, part in (("UA-MT", slice(None, 4)), ("UA-MT (other sites)", slice(4, None))):
        row = rows[title, "final", "dice"]
        assert float(row["mean"]) == pytest.approx(100 * own[part].mean(), rel=1e-4)
        assert float(row["difference"]) == pytest.approx(100 * (own - reference)[part].mean(), rel=1e-4)
        assert int(row["cases"]) == len(own[part])
    assert all(row.best_on_test() is None for row in benchmark.rows)


def test_unfinished_seeds_are_said(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path, unfinished=1)
    benchmark = collect(tmp_path)
    assert "CPCL & more_steps, 7 labeled: 1 of 2 trainings are done." in text_table(benchmark)
    assert rows_of(benchmark)["CPCL & more_steps", "final", "dice"]["seeds"] == "0"


def test_single_trainings_and_their_processor_time_are_listed(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path)
    benchmark = collect(tmp_path)
    assert {row["cpu_seconds"] for row in rows_of(benchmark).values()} == {f"{CPU_SECONDS + 0.5:g}"}
    lines = list(csv.DictReader(io.StringIO(trainings_csv(benchmark))))
    assert [(line["method"], line["draw"], line["seed"]) for line in lines[:3]] == [
        ("Supervised", "0", "0"),
        ("Supervised", "0", "1"),
        ("UA-MT", "0", "0"),
    ]
    page, text, latex = html_page(benchmark), text_table(benchmark), latex_tables(benchmark)
    for line in lines:
        own = [score.dice for score in scores[line["method"], int(line["seed"])] if score.kind == "final"]
        assert float(line["dice"]) == pytest.approx(100 * np.mean(own), rel=1e-5)
        assert float(line["cpu_seconds"]) == CPU_SECONDS + int(line["seed"])
        shown = f"{float(line['dice']):.2f}"
        assert f"<td>{shown}</td>" in page
        assert shown in text.split("Single trainings")[1]
        assert shown in latex.split("Single trainings")[1]
    once = dataclasses.replace(benchmark, rows=[dataclasses.replace(row, runs=row.runs[:1]) for row in benchmark.rows])
    assert "Single trainings" not in text_table(once) + html_page(once) + latex_tables(once)


def test_rounds_of_older_programs_have_no_processor_time(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path)
    for folder in rounds(tmp_path / "labeled-7"):
        result = folder.result()
        del result["cpu_seconds"]
        folder.write_result(result)
    benchmark = collect(tmp_path)
    assert {row["cpu_seconds"] for row in rows_of(benchmark).values()} == {""}
    assert "CPU s:" not in text_table(benchmark)


def test_best_on_test_is_left_out_unless_asked_for_and_says_so(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path)
    benchmark = collect(tmp_path)
    assert "best on test" not in (csv_table(benchmark) + latex_tables(benchmark) + html_page(benchmark)).lower()
    with_best = dataclasses.replace(benchmark, best_on_test=True)
    row = rows_of(with_best)["UA-MT, best on test (not comparable)", "final", "dice"]
    # The best steps have 0.8 and 0.9 for the first structure, a tenth less for the second.
    assert float(row["mean"]) == pytest.approx(80.0)
    assert (row["std"], row["p_wilcoxon"], row["published"]) == ("", "", "")
    for table in (text_table(with_best), latex_tables(with_best), html_page(with_best)):
        assert "UA-MT, best on test (not comparable)" in table


def test_a_study_is_read_without_a_protocol(tmp_path: Path) -> None:
    scores = synthetic_sweep(tmp_path)
    benchmark = collect(tmp_path / "labeled-7")
    titles = [row.title for row in benchmark.rows]
    assert titles == ["CPCL (10 steps)", "Supervised (10 steps)", "UA-MT (10 steps)"]
    found = rows_of(benchmark)["UA-MT (10 steps)", "final", "dice"]
    assert float(found["mean"]) == pytest.approx(100 * np.mean(by_case(scores, "UA-MT", "final", "dice")))
    reference = by_case(scores, "Supervised", "final", "dice")
    expected = stats.wilcoxon(by_case(scores, "UA-MT", "final", "dice"), reference).pvalue
    assert float(found["p_wilcoxon"]) == pytest.approx(expected, rel=1e-3)
    assert found["published"] == ""
    other = collect(tmp_path / "labeled-7", reference="ua_mt")
    assert rows_of(other)["Supervised (10 steps)", "final", "dice"]["reference"] == "UA-MT (10 steps)"


def test_results_are_written_and_repeatable(tmp_path: Path) -> None:
    synthetic_sweep(tmp_path)
    benchmark = collect(tmp_path)
    for name in ("first", "second"):
        write_results(benchmark, tmp_path / name)
    names = ["boxes-labeled-7.png", "boxes-labeled-7.svg", "scores.csv", "tables.html", "tables.tex", "trainings.csv"]
    for folder in (tmp_path / "first", tmp_path / "second"):
        assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    drawing = (tmp_path / "first" / "boxes-labeled-7.svg").read_text()
    assert drawing.count('<g id="PathCollection') == 6, "the cases of three rows in two panels"


def test_bad_folders_end_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no study"):
        collect(tmp_path)
    synthetic_sweep(tmp_path / "sweep", unfinished=6)
    with pytest.raises(UserError, match="has no finished round"):
        collect(tmp_path / "sweep")
    write_record(tmp_path / "sweep", Sweep(synthetic_protocol(seeds=(0, 1, 5))))
    with pytest.raises(UserError, match="The sweep Synthetic was begun"):
        write_record(tmp_path / "sweep", Sweep(synthetic_protocol(name="Other")))
    synthetic_sweep(tmp_path / "damaged")
    for folder in rounds(tmp_path / "damaged" / "labeled-7"):
        folder.metrics.write_text("case,structure\n")
    with pytest.raises(UserError, match=r"metrics\.csv cannot be read"):
        collect(tmp_path / "damaged")
