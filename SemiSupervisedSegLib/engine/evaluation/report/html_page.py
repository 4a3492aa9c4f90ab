"""The report of a round: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ....study.files import write_text_atomically
from .charts import charts_section
from .content import ReportContent
from .pictures import pictures_section
from .style import STYLE
from .tables import accuracy_section, cards, cases_section, facts_section, review_section


def write_report(path: Path | str, content: ReportContent) -> None:
    """Write the report as one HTML file without external resources.

    Raises:
        UserError: An image or a prediction cannot be read, or the file cannot be written.
    """
    write_text_atomically(path, report_html(content))


def report_html(content: ReportContent) -> str:
    """Build the page."""
    sections = (
        _header(content),
        _warnings(content),
        cards(content),
        accuracy_section(content),
        pictures_section(content),
        review_section(content),
        charts_section(content),
        facts_section(content),
        cases_section(content),
    )
    title = escape(f"{content.study_name}: {content.title}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        + "\n".join(section for section in sections if section)
        + "<footer>Made by SemiSupervisedSeg. For research; not for diagnosis without review.</footer>"
        "</main></body></html>\n"
    )


def _header(content: ReportContent) -> str:
    names = ", ".join(structure.name for structure in content.structures)
    return (
        f"<h1>{escape(content.study_name)}: {escape(content.method_title)}</h1>"
        f'<p class="lead">Round {escape(content.title)}. Segmentation of {escape(names)}. '
        f"{escape(content.method_sentence)}</p>"
    )


def _warnings(content: ReportContent) -> str:
    if not content.warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in dict.fromkeys(content.warnings))
    return f'<section class="warning"><h2>Please note</h2><ul>{items}</ul></section>'
