"""`methods`: all methods, when to choose them, and the papers to cite."""

from __future__ import annotations

import argparse

from ..jobs.catalogue import load_catalogue

_ADVICE = "Choose this one "


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser("methods", help="list the methods, when to choose them, and their papers")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the methods as a Markdown table."""
    print(method_table())
    return 0


def method_table() -> str:
    """Return the methods of the catalogue as a Markdown table, which README.md shows."""
    rows = [
        f"| `{entry.id}` | {entry.title} | {entry.summary.removeprefix(_ADVICE).removesuffix('.')} | {entry.paper} |"
        for entry in load_catalogue().methods.values()
    ]
    return "\n".join(["| method | name | choose it | paper |", "|---|---|---|---|", *rows])
