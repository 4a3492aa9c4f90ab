"""No text file is read or written in the encoding of a country: on Windows names with accents come out wrong there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_TEXT = {"read_text", "write_text", "open", "fdopen", "NamedTemporaryFile", "TextIOWrapper"}


def undecided(tree: ast.Module) -> Iterator[int]:
    """The lines of calls that open a text file without saying its encoding."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            words += [word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)]
            is_binary = any(isinstance(word, str) and "b" in word and set(word) <= set("rwaxb+") for word in words)
            is_file = not (name == "open" and isinstance(node.func, ast.Attribute) and _is_no_path(node))
            if name in _TEXT and is_file and not is_binary and "encoding" not in {word.arg for word in node.keywords}:
                yield node.lineno


def _is_no_path(node: ast.Call) -> bool:
    # os.open, a dialog or a menu that opens: none of them has a mode.
    return not any(isinstance(argument, ast.Constant) and isinstance(argument.value, str) for argument in node.args)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("path.open('w')", True),
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("open(path, 'rb')", False),
        ("path.open('r+b')", False),
        ("open(path, encoding='utf-8')", False),
        ("path.write_text(text, encoding='utf-8')", False),
        ("menu.open(place)", False),
    ],
)
def test_what_counts(line: str, found: bool) -> None:
    assert list(undecided(ast.parse(line))) == [1] * found


def test_every_text_file_says_its_encoding() -> None:
    files = [path for name in ("SemiSupervisedSegLib", "SemiSupervisedSeg") for path in (ROOT / name).rglob("*.py")]
    found = [f"{path}:{line}" for path in files for line in undecided(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(files) > 200
    assert found == []
