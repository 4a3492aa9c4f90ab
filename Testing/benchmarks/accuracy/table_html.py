"""The accuracy tables and box plots as one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from SemiSupervisedSegLib.engine.evaluation.report.style import STYLE

from .entries import Entry, entries
from .metric_names import METRICS
from .rows import Benchmark
from .single_trainings import TITLE, single_table
from .table_text import grouped, notes, seconds_text

_KIND_TITLES = {"final": "Final prediction", "prototype": "Prototype-based prediction"}
_OWN_STYLE = """
main { max-width: 1500px; }
td .p { display: block; color: var(--soft); font-size: 12px; }
td.published, th.published { color: var(--accent); text-align: left; padding-left: 0; }
tr.best td:nth-child(n) { color: var(--soft); font-style: italic; }
figure { max-width: 1100px; } figure img { background: #fff; }
"""
Group = Mapping[str, Entry]


def html_page(benchmark: Benchmark, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The page; `pictures` are captions with drawings as SVG."""
    groups = grouped(entries(benchmark))
    kinds = dict.fromkeys(key[0] for key in groups)
    sections = [
        _section(benchmark, kind, {key[1:]: row for key, row in groups.items() if key[0] == kind}) for kind in kinds
    ]
    figures = [
        f'<section><figure><img alt="{escape(caption)}" src="{_data_uri(svg)}"></figure></section>'
        for caption, svg in pictures
    ]
    single = single_table(benchmark)
    if single:
        sections.append(_single_section(single))
    paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes(benchmark))
    title = f"Accuracy: {escape(benchmark.name)}"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{_OWN_STYLE}</style></head>'
        f'<body><main><h1>{title}</h1><div class="lead">{paragraphs}</div>'
        f"{''.join(sections)}{''.join(figures)}</main></body></html>\n"
    )


def _section(benchmark: Benchmark, kind: str, own: Mapping[tuple[int, str], Group]) -> str:
    published = {name: any(name in row and row[name].published for row in own.values()) for name in benchmark.metrics}
    head = "<th>Method</th>"
    for name in benchmark.metrics:
        metric = METRICS[name]
        better = "larger is better" if metric.larger_is_better else "smaller is better"
        head += f"<th>{escape(metric.title)}<br><small>{metric.unit}, {better}</small></th>"
        head += '<th class="published">published</th>' if published[name] else ""
    bodies = []
    for labeled in dict.fromkeys(key[0] for key in own):
        rows = "".join(_row(title, row, published) for (count, title), row in own.items() if count == labeled)
        width = 1 + len(published) + sum(published.values())
        bodies.append(
            f'<tbody><tr class="kind"><td colspan="{width}">{labeled} labeled {benchmark.counted}</td></tr>'
            f"{rows}</tbody>"
        )
    return (
        f"<section><h2>{_KIND_TITLES[kind]}</h2>"
        "<p>Mean (standard deviation) over cases; below it p of the paired Wilcoxon test and t-test.</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>{"".join(bodies)}</table></div></section>'
    )


def _row(title: str, row: Group, published: Mapping[str, bool]) -> str:
    first = next(iter(row.values()))
    counts = [(len(first.draws), "draw"), (len(first.seeds), "seed")]
    said = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts] + [f"{first.cases} cases"]
    if first.cpu_seconds is not None:
        said.append(f"{seconds_text(first)} CPU s")
    cells = f"<td>{escape(title)} <small>{', '.join(said)}</small></td>"
    for metric, beside in published.items():
        entry = row.get(metric)
        cells += "<td>–</td>" if entry is None else f"<td>{entry.text()}{_tests(entry)}</td>"
        if beside:
            found = entry.published if entry else None
            text = f"{found.value:.2f} <small>{escape(found.source)}</small>" if found else ""
            cells += f'<td class="published">{text}</td>'
    return f"<tr{' class=best' if first.std is None else ''}>{cells}</tr>"


def _single_section(table: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in table[1:])
    return (
        f"<section><h2>{TITLE}</h2>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def _tests(entry: Entry) -> str:
    if entry.p_wilcoxon is None:
        return ""
    return f'<span class="p">p {entry.p_wilcoxon:.2g}, {entry.p_t_test:.2g}</span>'


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
