"""Line charts as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 26, 12, 34
# From this ratio between the lines' last values on, a linear axis would hide the small ones.
DECADE = 10
POINTS = 160
PALETTE = ("#2f6fb0", "#d1662a", "#3c8f5a", "#9a4fa3", "#b08a1e", "#5a6b7a", "#c2476b", "#3aa0a8")

Place = Callable[[float, float], tuple[float, float]]
"""Where a point of the data is in the picture, x and y."""


@dataclass(frozen=True)
class Line:
    """One line of a chart: a name, its points in the order of x, and a CSS colour."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str


def line_chart(lines: Sequence[Line], x_label: str, y_range: tuple[float, float] | None = None) -> str:
    """Draw lines with axes and a legend; long lines are averaged down to what a screen can show.

    The y axis is logarithmic where all values are positive and the lines' last values lie more than a factor of 10
    apart, unless its range is given.
    """
    lines = [_shorten(line) for line in lines if len(line.x)]
    if not lines:
        return ""
    logarithmic = y_range is None and _spans_decades(lines)
    values = np.concatenate([np.asarray(line.y, dtype=float) for line in lines])
    if logarithmic:
        values = np.log10(values)
    low, high = y_range or _padded(float(values.min()), float(values.max()), logarithmic)
    x_low, x_high = min(line.x[0] for line in lines), max(line.x[-1] for line in lines)
    x_high = x_high if x_high > x_low else x_low + 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [_y_axis(low, high, logarithmic, place, x_low), _x_axis(x_low, x_high, low, place, x_label)]
    parts += [_path(line, logarithmic, place) for line in lines]
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(x_label)}">{"".join(parts)}</svg>'
    return svg + _legend(lines)


def _shorten(line: Line) -> Line:
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) > POINTS:
        parts = np.array_split(np.arange(len(x)), POINTS)
        x, y = np.array([x[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])
    return Line(line.name, x.tolist(), y.tolist(), line.color)


def _spans_decades(lines: Sequence[Line]) -> bool:
    last = [line.y[-1] for line in lines]
    return min(min(line.y) for line in lines) > 0 and max(last) > DECADE * min(last)


def _padded(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    if logarithmic:
        return math.floor(low * 2) / 2, math.ceil(high * 2 + 1e-9) / 2
    low = min(low, 0.0)
    return low, high + 0.06 * (high - low) if high > low else low + 1


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round values between low and high, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _y_axis(low: float, high: float, logarithmic: bool, place: Place, x_low: float) -> str:
    ticks = list(range(math.ceil(low), math.floor(high) + 1)) if logarithmic else _ticks(low, high, 5)
    parts = []
    for tick in ticks:
        x, y = place(x_low, tick)
        label = f"{10.0**tick:g}" if logarithmic else f"{tick:.4g}"
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{x - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _x_axis(x_low: float, x_high: float, low: float, place: Place, label: str) -> str:
    parts = []
    for tick in _ticks(x_low, x_high, 5):
        x, y = place(tick, low)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{tick:,.6g}</text>')
    left, y = place(x_low, low)
    right, _ = place(x_high, low)
    parts.append(f'<line class="axis" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    middle = (left + right) / 2
    parts.append(f'<text class="tick" x="{middle:.1f}" y="{y + 30:.1f}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts)


def _path(line: Line, logarithmic: bool, place: Place) -> str:
    values = np.log10(line.y) if logarithmic else line.y
    points = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in zip(line.x, values, strict=True))
    if len(line.x) == 1:
        x, y = points.split(",")
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{line.color}"/>'
    return f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="2" stroke-linejoin="round"/>'


def _legend(lines: Sequence[Line]) -> str:
    entries = "".join(f'<span><i style="background:{line.color}"></i>{escape(line.name)}</span>' for line in lines)
    return f'<div class="legend">{entries}</div>'
