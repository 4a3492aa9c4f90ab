"""The rules of the house: which room may import which, and what stays out of Slicer's process."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "SemiSupervisedSegLib"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
STANDARD = set(sys.stdlib_module_names)
# A room, the other rooms it may import, and the packages it may import beside the standard library.
ROOMS = {
    "study": (set(), {"numpy", "SimpleITK", "highdicom", "pydicom"}),
    "jobs": ({"study"}, {"numpy", "SimpleITK"}),
    "planning": ({"study", "jobs"}, {"numpy", "SimpleITK"}),
    "phantom": ({"study"}, {"numpy", "SimpleITK", "scipy"}),
    "panel": (
        {"study", "jobs", "planning", "phantom"},
        {"numpy", "SimpleITK", "slicer", "vtk", "qt", "ctk", "PyTorchUtils", "SampleData", "pydicom"},
    ),
    "engine": ({"study", "jobs", "planning"}, {"numpy", "SimpleITK", "scipy", "torch", "monai"}),
    "commands": ({"study", "jobs", "planning", "phantom", "engine"}, {"numpy", "SimpleITK"}),
}


def imported(path: Path) -> set[str]:
    """Absolute names of everything a file imports, at any depth of its code."""
    package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
    return names


def output_of(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room):
    rooms, packages = ROOMS[room]
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            top, *rest = name.split(".")
            if top == PACKAGE:
                assert rest[0] in rooms | {room, "__version__"}, f"{path.relative_to(ROOT)} imports {name}"
            else:
                assert top in STANDARD | packages, f"{path.relative_to(ROOT)} imports {name}"


def test_what_the_panel_uses_brings_no_torch_into_the_process():
    modules = [
        ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts])
        for room in ("study", "jobs", "planning", "phantom")
        for path in (ROOT / room).rglob("*.py")
    ]
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\nprint('torch' in sys.modules)"
    )
    assert output_of(code) == "False"


def test_the_command_line_starts_without_torch():
    code = f"import sys\nfrom {PACKAGE}.__main__ import make_parser\nmake_parser()\nprint('torch' in sys.modules)"
    assert output_of(code) == "False"


def test_what_the_panel_decides_knows_neither_qt_nor_the_scene():
    for path in (ROOT / "panel" / "logic").rglob("*.py"):
        for name in imported(path):
            top, *rest = name.split(".")
            assert top not in {"slicer", "vtk", "qt", "ctk"}, f"{path.relative_to(ROOT)} imports {name}"
            assert rest[:1] != ["panel"] or rest[1] == "logic", f"{path.relative_to(ROOT)} imports {name}"


def test_only_the_scene_of_the_panel_touches_nodes():
    """Methods of VTK and MRML begin with a capital verb, those of Qt and of this project do not."""
    for path in (ROOT / "panel").rglob("*.py"):
        if path.is_relative_to(ROOT / "panel" / "scene"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                verb = re.match("(Get|Set|Add|Remove|Create|Has|Is|Start|End|Copy|Unset)[A-Z]", node.func.attr)
                assert not verb, f"{place} calls {node.func.attr}"
            assert not (isinstance(node, ast.Attribute) and node.attr == "mrmlScene"), f"{place} uses the scene"
        assert not any(name.split(".")[0] == "vtk" for name in imported(path)), f"{path.relative_to(ROOT)} imports vtk"
