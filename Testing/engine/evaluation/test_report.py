from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from SemiSupervisedSegLib.engine.evaluation.report.curves import Line, line_chart
from SemiSupervisedSegLib.engine.evaluation.scoring import evaluate_round
from SemiSupervisedSegLib.jobs.events import WarningRaised
from SemiSupervisedSegLib.jobs.metrics_file import read_metrics
from SemiSupervisedSegLib.study.model import Role

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags are balanced and collects texts and sources."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_report_needs_nothing_else_and_says_what_happened(finished_round):
    study, folder = finished_round()
    evaluate_round(folder)
    html = folder.report.read_text(encoding="utf-8")
    page = Page(html)
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not re.search(r"https?:|@import|url\(|<script", html)
    for words in (
        study.name,
        "Left <ventricle>",
        "Something <odd>.",
        "a test computer",
        "Compared with the annotations of 3 validation cases",
        "Seed 11",
        "Training steps 30",
        "Labeled cases 1",
        "Unlabeled cases 1",
        "Unlabeled external cases 1",
        "Validation cases 3",
        "Dice on the validation cases during training",
    ):
        assert words in page.text, words


def test_pauses_between_runs_do_not_count_as_duration(finished_round):
    _, folder = finished_round()
    evaluate_round(folder)
    # 13 seconds before the stop and 60 after it.
    assert "Duration 1 min 13 s" in Page(folder.report.read_text(encoding="utf-8")).text


def test_a_clock_that_is_set_back_does_not_count_as_duration(finished_round):
    _, folder = finished_round()
    folder.append_event(WarningRaised("The clock was set back.", time=1.0))
    evaluate_round(folder)
    assert "Duration 1 min 13 s" in Page(folder.report.read_text(encoding="utf-8")).text


def test_best_median_and_worst_case_are_shown(finished_round):
    _, folder = finished_round()
    scores = evaluate_round(folder)
    text = Page(folder.report.read_text(encoding="utf-8")).text
    # The error grows with the case's number.
    for title, case in (("Best", 1), ("Median", 2), ("Worst", 3)):
        dice = [s.dice for s in scores if s.case == f"case-{case}" and s.kind == "final"]
        assert f"{title} case: case-{case} (mean Dice {sum(dice) / 2:.3f})" in text


def test_without_validation_the_most_and_least_certain_cases_are_shown(finished_round):
    _, folder = finished_round(validation=0)
    assert evaluate_round(folder) == []
    page = Page(folder.report.read_text(encoding="utf-8"))
    assert "accuracy could not be measured" in page.text
    assert "Most certain case:" in page.text
    assert "Least certain case:" in page.text
    assert len(page.sources) == 6
    assert read_metrics(folder.metrics) == []


def test_metrics_file_has_the_scores_of_both_predictions(finished_round):
    _, folder = finished_round()
    scores = evaluate_round(folder, (Role.VALIDATION, Role.LABELED))
    read = read_metrics(folder.metrics)
    assert {(s.case, s.structure, s.kind) for s in read} == {(s.case, s.structure, s.kind) for s in scores}
    assert {s.case for s in read} == {"case-0", "case-1", "case-2", "case-3"}
    perfect = [s for s in read if s.case == "case-0" and s.kind == "final"]
    assert all(s.dice == 1 and s.hd95_mm == 0 for s in perfect)


def test_progress_is_told(finished_round):
    _, folder = finished_round()
    told = []
    evaluate_round(folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def chart_values(svg: str) -> tuple[ElementTree.Element, list[str]]:
    root = ElementTree.fromstring(svg[: svg.index("</svg>") + 6])
    return root, [text.text for text in root.iter("text")]


def test_chart_places_points_between_its_axes():
    root, labels = chart_values(line_chart([Line("a", [0, 50, 100], [0, 0.5, 1], "red")], "step", (0, 1)))
    points = [tuple(map(float, point.split(","))) for point in root.find("polyline").get("points").split()]
    assert points[0][0] < points[1][0] < points[2][0]
    assert points[0][1] > points[1][1] > points[2][1]
    assert points[1][1] == pytest.approx((points[0][1] + points[2][1]) / 2, abs=0.2)
    assert "100" in labels
    assert "1" in labels


def test_chart_of_losses_of_very_different_size_is_logarithmic():
    _, labels = chart_values(
        line_chart([Line("a", [1, 2], [10, 1], "red"), Line("b", [1, 2], [0.1, 0.01], "blue")], "s")
    )
    assert {"0.1", "1", "10"} <= set(labels)


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [1e-9, 1e-9], [-3.0, 2.0], [1e12, 1e12], [float("nan"), 1.0], [float("inf"), 1.0], [5.0]]
)
def test_chart_survives_any_values(values):
    root, _ = chart_values(line_chart([Line("a", list(range(len(values))), values, "red")], "s"))
    assert "nan" not in ElementTree.tostring(root, "unicode")


def test_long_lines_are_averaged_down():
    root, _ = chart_values(line_chart([Line("a", list(range(20000)), [1.0] * 20000, "red")], "s"))
    assert len(root.find("polyline").get("points").split()) <= 200


def test_nothing_to_draw_gives_no_chart():
    assert line_chart([Line("a", [], [], "red")], "s") == ""
