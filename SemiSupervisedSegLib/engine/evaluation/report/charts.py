"""The curves of the report, drawn from the events of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ....jobs.events import Event, StepDone, Validated
from ....study.model import Structure
from .content import ReportContent
from .curves import PALETTE, Line, line_chart

Scored = TypeVar("Scored", Validated, StepDone)


def charts_section(content: ReportContent) -> str:
    """Return charts of the validation Dice and the training losses over steps; empty without a training."""
    charts = [
        ("Dice on the validation cases during training", line_chart(_dice_lines(content), "training step", (0.0, 1.0))),
        ("Losses during training", line_chart(_loss_lines(content.events), "training step")),
    ]
    drawn = "".join(f"<div><h3>{title}</h3>{chart}</div>" for title, chart in charts if chart)
    return f'<section><h2>Training</h2><div class="charts">{drawn}</div></section>' if drawn else ""


def _latest_run(events: Sequence[Event], kind: type[Scored]) -> list[Scored]:
    """Return events in the order of steps; of steps that a resumed worker repeated, the last event counts."""
    by_step = {(getattr(event, "stage", ""), event.step): event for event in events if isinstance(event, kind)}
    return list(by_step.values())


def _dice_lines(content: ReportContent) -> list[Line]:
    events = sorted(_latest_run(content.events, Validated), key=lambda event: event.step)
    lines = [
        _structure_line(structure, [event for event in events if structure.name in event.dice])
        for structure in content.structures
    ]
    if len(content.structures) > 1:
        lines.append(Line("mean", [event.step for event in events], [event.mean_dice for event in events], "#1d2733"))
    return lines


def _structure_line(structure: Structure, events: Sequence[Validated]) -> Line:
    color = "rgb({},{},{})".format(*structure.color)
    return Line(
        structure.name, [event.step for event in events], [event.dice[structure.name] for event in events], color
    )


def _loss_lines(events: Sequence[Event]) -> list[Line]:
    """Return one line for each loss; the stages of a training follow each other on the axis."""
    offset, lengths = 0, {}
    points: dict[str, list[tuple[float, float]]] = {}
    steps = _latest_run(events, StepDone)
    for stage in dict.fromkeys(event.stage for event in steps):
        of_stage = sorted((event for event in steps if event.stage == stage), key=lambda event: event.step)
        lengths[stage] = of_stage[-1].step
        for event in of_stage:
            for name, value in event.losses.items():
                points.setdefault(name, []).append((offset + event.step, value))
        offset += lengths[stage]
    return [
        Line(name.replace("_", " "), [x for x, _ in values], [y for _, y in values], PALETTE[index % len(PALETTE)])
        for index, (name, values) in enumerate(points.items())
    ]
