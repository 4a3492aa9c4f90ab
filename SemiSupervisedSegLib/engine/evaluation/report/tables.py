"""The report's numbers: key figures, accuracy of every structure, cases to review, how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ....jobs.metrics_file import case_means, measurable
from ....jobs.structure_score import PredictionKind, StructureScore
from ....study.model import Structure
from ..compare import summarise
from .content import ReportCase, ReportContent

METRICS = (
    ("dice", "Dice", "0 to 1", 3),
    ("jaccard", "Jaccard", "0 to 1", 3),
    ("hd95_mm", "95HD", "mm", 1),
    ("asd_mm", "ASD", "mm", 2),
    ("hd95_voxel", "95HD", "voxels", 1),
    ("asd_voxel", "ASD", "voxels", 2),
)
KINDS: tuple[tuple[PredictionKind, str], ...] = (("final", "Final"), ("prototype", "Prototype-based"))
MOST_CASES_TO_REVIEW = 15


def swatch(structure: Structure) -> str:
    """Return a small square in the colour of the structure."""
    return '<i class="swatch" style="background:rgb({},{},{})"></i>'.format(*structure.color)


def of_kind(scores: Iterable[StructureScore], kind: PredictionKind) -> list[StructureScore]:
    """Return the scores of one of the two predictions."""
    return [score for score in scores if score.kind == kind]


def duration(seconds: float) -> str:
    """Return a duration as text, such as 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def cards(content: ReportContent) -> str:
    """Return the key figures."""
    figures = []
    final, prototype = (of_kind(measurable(content.scores), kind) for kind, _ in KINDS)
    if final:
        figures.append((f"{summarise([score.dice for score in final]).mean:.3f}", "mean Dice, final prediction"))
        figures.append((f"{summarise([score.hd95_mm for score in final]).mean:.1f} mm", "mean 95HD, final prediction"))
    if prototype:
        figures.append((f"{summarise([score.dice for score in prototype]).mean:.3f}", "mean Dice, prototype-based"))
    if not final and content.cases:
        agreement = [dice for case in content.cases for dice in case.summary.dice.values()]
        figures.append((f"{summarise(agreement).mean:.3f}", "agreement of both predictions (Dice)"))
    figures.append((str(len(content.cases)), "cases segmented"))
    figures.append((duration(content.seconds), f"on {content.device}"))
    items = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in figures
    )
    return f'<div class="cards">{items}</div>'


def accuracy_section(content: ReportContent) -> str:
    """Return the table with mean and standard deviation of every metric over the scored cases."""
    if not content.scores:
        return (
            "<section><h2>Accuracy</h2><p>There was no annotated validation case to compare with, so accuracy could "
            "not be measured. Below are the cases the model is most and least certain about.</p></section>"
        )
    count = len({score.case for score in content.scores})
    head = "".join(f"<th>{name}<br><small>{unit}</small></th>" for _, name, unit, _ in METRICS)
    body = "".join(_kind_rows(content, kind, title) for kind, title in KINDS)
    final = of_kind(content.scores, "final")
    missed = {score.case for score in final if score.empty_prediction and not score.empty_annotation}
    missed_text = f" A structure was missed altogether in: {escape(', '.join(sorted(missed)))}." if missed else ""
    return (
        f"<section><h2>Accuracy</h2><p>Compared with the annotations of {count} {escape(content.scored)}; "
        f"mean and standard deviation over cases.{missed_text}</p>"
        f'<div class="scroll"><table><thead><tr><th>Structure</th>{head}</tr></thead>{body}</table></div>'
        '<p class="note">Dice and Jaccard measure overlap, 1 is perfect. 95HD is the distance that 95 % of the surface '
        "stays within, ASD the mean distance of both surfaces; small is good. A structure that was missed counts with "
        "overlap 0 and the diagonal of the image as distance; a dash stands for one that no annotation shows.</p>"
        "</section>"
    )


def _kind_rows(content: ReportContent, kind: PredictionKind, title: str) -> str:
    scores = of_kind(measurable(content.scores), kind)
    if not scores:
        return ""
    rows = [f'<tr class="kind"><td colspan="{1 + len(METRICS)}">{title} prediction</td></tr>']
    for structure in content.structures:
        of_structure = [score for score in scores if score.structure == structure.name]
        rows.append(f"<tr><td>{swatch(structure)}{escape(structure.name)}</td>{_cells(of_structure)}</tr>")
    if len(content.structures) > 1:
        rows.append(f'<tr class="total"><td>All structures</td>{_cells(scores)}</tr>')
    return f"<tbody>{''.join(rows)}</tbody>"


def _cells(scores: Sequence[StructureScore]) -> str:
    cells = []
    for metric, _, _, digits in METRICS:
        if not scores:
            cells.append("<td>–</td>")
            continue
        summary = summarise(list(case_means(scores, metric).values()))
        cells.append(f"<td>{summary.mean:.{digits}f} <small>± {summary.std:.{digits}f}</small></td>")
    return "".join(cells)


def review_section(content: ReportContent) -> str:
    """Return the table of the cases without annotation, those with the largest disagreement first."""
    cases = [case for case in content.cases if case.annotation is None]
    if not cases:
        return ""
    cases.sort(key=lambda case: (case.summary.disagreement, case.summary.uncertainty), reverse=True)
    shown = cases[:MOST_CASES_TO_REVIEW]
    volumes = "".join(
        f"<th>{swatch(structure)}{escape(structure.name)}<br><small>ml</small></th>" for structure in content.structures
    )
    rows = "".join(_review_row(case, content.structures) for case in shown)
    more = f"The first {len(shown)} of {len(cases)}. " if len(shown) < len(cases) else ""
    return (
        f"<section><h2>Cases to review first</h2><p>{more}Where the two predictions disagree most, a correction helps "
        "the next round most.</p>"
        '<div class="scroll"><table><thead><tr><th>Case</th><th>Disagreement<br><small>of the probabilities</small>'
        f"</th><th>Uncertainty<br><small>0 to 1</small></th>{volumes}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</section>"
    )


def _review_row(case: ReportCase, structures: Sequence[Structure]) -> str:
    summary = case.summary
    site = " <small>external</small>" if case.external else ""
    volumes = "".join(f"<td>{summary.volume_final_ml[structure.name]:.1f}</td>" for structure in structures)
    return (
        f"<tr><td>{escape(case.id)}{site}</td><td>{summary.disagreement:.0%}</td>"
        f"<td>{summary.uncertainty:.2f}</td>{volumes}</tr>"
    )


def facts_section(content: ReportContent) -> str:
    """Return how the round was trained."""
    facts: list[tuple[str, str]] = [("Method", content.method_title)]
    if content.preset:
        facts.append(("Preset", content.preset))
        facts.append(("Training steps", f"{content.steps:,}"))
        facts.append(("Seed", str(content.seed)))
    facts.append(("Network", f"{content.plan.network}, {content.plan.dimensions}D"))
    facts += [(f"{what.capitalize()} cases", str(count)) for what, count in content.trained_on.items()]
    facts += [("Computed on", content.device), ("Duration", duration(content.seconds))]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<section><h2>How it was made</h2><dl>{items}</dl></section>"


def cases_section(content: ReportContent) -> str:
    """Return the table of every scored case, folded."""
    if not content.scores:
        return ""
    head = "".join(f"<th>{name}<br><small>{unit}</small></th>" for _, name, unit, _ in METRICS)
    rows = []
    for score in sorted(content.scores, key=lambda score: (score.case, score.structure, score.kind)):
        values = "".join(f"<td>{getattr(score, metric):.{digits}f}</td>" for metric, _, _, digits in METRICS)
        title = dict(KINDS)[score.kind]
        rows.append(f"<tr><td>{escape(score.case)}</td><td>{escape(score.structure)}</td><td>{title}</td>{values}</tr>")
    return (
        "<section><h2>Every case</h2><details><summary>Show the numbers of every case</summary>"
        f'<div class="scroll"><table><thead><tr><th>Case</th><th>Structure</th><th>Prediction</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details></section>"
    )
