"""The rules of the house: how long files and functions may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("SemiSupervisedSegLib", "SemiSupervisedSeg", "Testing", "Docs")
FILE_LINES = 300
METHOD_LINES = 199
MODULE_LINES = 99
FUNCTION_LINES = 39


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def too_long(paths: Iterator[Path], most: int) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert lengths
    return [f"{path.relative_to(ROOT)}: {length} lines" for path, length in lengths.items() if length > most]


@pytest.mark.parametrize(
    ("folder", "pattern", "most"),
    [
        *((folder, "**/*.py", FILE_LINES) for folder in FOLDERS),
        ("SemiSupervisedSegLib/engine/methods", "*.py", METHOD_LINES),
        ("SemiSupervisedSeg", "*.py", MODULE_LINES),
    ],
)
def test_files_are_short(folder, pattern, most):
    assert not too_long((ROOT / folder).glob(pattern), most)


def test_functions_are_short():
    """Docstrings aside, which grow with the arguments."""
    long = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    lines -= node.body[0].end_lineno - node.body[0].lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert not long
