"""Docstrings of all rooms: entries begin with a noun, name what the code has, and functions begin with a verb."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "SemiSupervisedSegLib"

Definition = ast.ClassDef | ast.FunctionDef

BLOCK = r"^{title}:\n((?:    .*\n?|\n(?=    ))+)"
ENTRY = re.compile(r"^    ((?:\w+, )*\w+): (.*)", re.MULTILINE)
NOUN = re.compile(r"[A-Z\"`]")
# Articles, clauses and names of losses; ruff's D401 finds "Returns" and the like.
NO_VERB = re.compile(r"(?:An?|The|All|Everything|One|What|When|Where|Whether|Which|Who|Why|How|L_\w+)\b")


def definitions(tree: ast.Module) -> Iterator[tuple[Definition, str]]:
    """Yield the classes and functions of a file that have a docstring, with it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield node, text


def entries(text: str, title: str) -> list[tuple[str, str]]:
    """Return the names and texts of the entries below "Args:" or another title."""
    blocks = re.findall(BLOCK.format(title=title), text, re.MULTILINE)
    return [(name, words) for block in blocks for names, words in ENTRY.findall(block) for name in names.split(", ")]


def parameters(node: Definition) -> set[str]:
    """Return the names of the arguments of a function, or of the call that makes an object of a class."""
    if isinstance(node, ast.FunctionDef):
        return {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
    constructors = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return parameters(constructors[0]) if constructors else fields(node)


def fields(node: ast.ClassDef) -> set[str]:
    """Return the names that a class annotates in its body."""
    return {
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def attributes(node: ast.ClassDef) -> set[str]:
    """Return the names that objects of a class have: fields, properties, signals and what its methods set."""
    names = fields(node)
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store):
            names.add(each.attr)
        elif isinstance(each, ast.FunctionDef):
            names.add(each.name)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
    return names


def is_method_or_function(node: Definition) -> bool:
    """Return whether a definition is called; a property is read as an attribute, which a noun describes."""
    return isinstance(node, ast.FunctionDef) and not any(
        ast.unparse(decorator).endswith("property") for decorator in node.decorator_list
    )


@functools.cache
def documented() -> dict[str, tuple[Definition, str]]:
    """Return all classes and functions of the library that have a docstring, with it, by file, line and name."""
    return {
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}": (node, text)
        for path in sorted(ROOT.rglob("*.py"))
        for node, text in definitions(ast.parse(path.read_text(encoding="utf-8")))
    }


@pytest.mark.parametrize("title", ["Args", "Attributes", "Raises"])
def test_entries_begin_with_a_noun_in_capitals(title):
    every = [(place, *entry) for place, (_, text) in documented().items() for entry in entries(text, title)]
    assert len(every) > 20
    assert [entry for entry in every if not NOUN.match(entry[-1])] == []


@pytest.mark.parametrize(("title", "names_of"), [("Args", parameters), ("Attributes", attributes)])
def test_entries_name_what_the_code_has(title, names_of):
    unknown = {
        place: {name for name, _ in entries(text, title)} - names_of(node)
        for place, (node, text) in documented().items()
        if entries(text, title)
    }
    assert {place: names for place, names in unknown.items() if names} == {}


def test_functions_begin_with_a_verb():
    functions = {place: text for place, (node, text) in documented().items() if is_method_or_function(node)}
    assert len(functions) > 500
    assert {place: text for place, text in functions.items() if NO_VERB.match(text)} == {}


def test_the_rules_see_what_breaks_them():
    source = '''
class Box:
    """A box.

    Attributes:
        width: of the box.
        depth: Depth in mm.
    """

    width: float

def area(box):
    """The area.

    Args:
        case: Box.
    """
'''
    (box, of_box), (area, of_area) = definitions(ast.parse(source))
    assert entries(of_box, "Attributes") == [("width", "of the box."), ("depth", "Depth in mm.")]
    assert not NOUN.match("of the box.")
    assert attributes(box) == {"width"}
    assert parameters(area) == {"box"}
    assert NO_VERB.match(of_area)
