"""The style sheet of the report: light, readable, on screens of every width and on paper."""

from __future__ import annotations

STYLE = """
:root { --ink: #1d2733; --soft: #5b6875; --line: #e1e6eb; --panel: #ffffff; --page: #f5f7f9; --accent: #2f6fb0; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 20px 0 8px; }
p { margin: 0 0 10px; max-width: 76ch; }
.lead, .note { color: var(--soft); }
.note { font-size: 13.5px; margin: 14px 0 0; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 22px; margin-top: 18px; }
.warning { background: #fff7e6; border-color: #f0d9a8; }
.warning ul { margin: 4px 0 0; padding-left: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 14px; margin-top: 18px; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.card b { display: block; font-size: 25px; line-height: 1.2; font-weight: 650; }
.card span { color: var(--soft); font-size: 13.5px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: right; font-weight: 600; color: var(--soft); font-size: 13px; vertical-align: bottom;
  padding: 6px 10px; border-bottom: 2px solid var(--line); }
td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td small, th small { color: var(--soft); font-weight: 400; }
tr.total td { font-weight: 650; }
tbody + tbody td:first-child { padding-left: 0; }
tr.kind td { color: var(--soft); font-weight: 600; padding-top: 14px; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
.pictures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 14px; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 6px; background: #000; }
figcaption { font-size: 13px; color: var(--soft); margin-top: 5px; }
.key, .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13.5px; margin: 8px 0 2px; }
.key i, .legend i { display: inline-block; width: 16px; height: 11px; margin-right: 6px; border-radius: 2px; }
.legend i { height: 4px; vertical-align: 3px; }
.key .outline { border: 3px solid #66717d; background: none; }
.key .fill { background: rgba(102, 113, 125, .35); }
.key .thin { border: 1px solid #a9b2bb; background: none; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 22px; }
.charts h3 { margin-top: 8px; }
svg { display: block; width: 100%; height: auto; }
svg .grid { stroke: var(--line); } svg .axis { stroke: #9aa5b0; }
svg .tick { fill: var(--soft); font-size: 11.5px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; margin: 8px 0 0; }
dt { color: var(--soft); } dd { margin: 0; }
details { margin-top: 14px; } summary { cursor: pointer; color: var(--accent); }
footer { color: var(--soft); font-size: 13px; margin-top: 22px; }
@media (max-width: 560px) { main { padding: 18px 12px; } section { padding: 16px 14px; } h1 { font-size: 22px; }
  .pictures { gap: 6px; } figcaption { font-size: 11.5px; line-height: 1.3; } }
@media print { body { background: #fff; } section, .card { break-inside: avoid; } }
"""
