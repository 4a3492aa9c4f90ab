"""The rules of the house: which room may import which, and what stays out of Slicer's process."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "SemiSupervisedSegLib"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
STANDARD = set(sys.stdlib_module_names)
# A room, the other rooms it may import, and the packages it may import beside the standard library.
ROOMS = {
    "study": (set(), {"numpy", "SimpleITK", "highdicom", "pydicom"}),
    "jobs": ({"study"}, {"numpy", "SimpleITK", "submitit"}),
    "planning": ({"study", "jobs"}, {"numpy", "SimpleITK", "scipy"}),
    "phantom": ({"study"}, {"numpy", "SimpleITK", "scipy"}),
    "panel": (
        {"study", "jobs", "planning", "phantom"},
        {"numpy", "SimpleITK", "slicer", "vtk", "qt", "ctk", "PyTorchUtils", "SampleData", "pydicom"},
    ),
    "engine": ({"study", "jobs", "planning"}, {"numpy", "SimpleITK", "scipy", "torch", "monai"}),
    "commands": ({"study", "jobs", "planning", "phantom", "engine"}, {"numpy", "SimpleITK"}),
}
# What is inside the engine, lowest first; a part imports from lower floors only, or from beside it on the same one.
ENGINE_FLOORS = (
    {
        "device",
        "device_probe",
        "interpolation",
        "tensors",
        "precision",
        "tensor_files",
        "connected_components",
        "graphics_cards",
        "memory_order",
    },
    {"data", "losses", "networks"},
    {"methods"},
    {"inference", "training", "evaluation"},
    {"worker"},
)
BESIDE = {
    ("device_probe", "device"),
    ("device_probe", "graphics_cards"),
    ("device", "graphics_cards"),
    ("precision", "tensors"),
    ("memory_order", "device"),
    ("training", "inference"),
    ("evaluation", "inference"),
}


def imported(path: Path) -> set[str]:
    """Absolute names of everything a file imports, at any depth of its code."""
    return imported_by(ast.parse(path.read_text(encoding="utf-8")), path)


def imported_by(tree: ast.AST, path: Path) -> set[str]:
    package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    names = set()
    for node in ast.walk(tree):
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


def test_a_part_of_the_engine_imports_only_what_lies_below_it():
    floor_of = {part: floor for floor, parts in enumerate(ENGINE_FLOORS) for part in parts}
    engine = ROOT / "engine"
    for path in engine.rglob("*.py"):
        if path == engine / "__init__.py":
            continue
        part = path.relative_to(engine).parts[0].removesuffix(".py")
        assert part in floor_of, f"engine/{part} is on no floor"
        for name in imported(path):
            *room, other = name.split(".")[:3]
            if room == [PACKAGE, "engine"] and other != part:
                is_below = floor_of[other] < floor_of[part] or (part, other) in BESIDE
                assert is_below, f"{path.relative_to(ROOT)} imports {name}"


def test_no_module_imports_itself_by_way_of_others():
    files = {".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]): path for path in ROOT.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    graph = {name: modules_imported(path, modules) - {name} for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def modules_imported(path: Path, modules: Collection[str]) -> set[str]:
    """Modules of the library that a file imports when it runs, at any depth of its code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names = imported_by(tree, path)
    return {name if name in modules else name.rpartition(".")[0] for name in names} & set(modules)


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


def test_the_worker_of_a_comparison_brings_no_torch():
    """Its trainings may run on another machine, and this computer may have none."""
    code = f"import sys\nimport {PACKAGE}.engine.worker.compare_job\nprint('torch' in sys.modules)"
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
        # logic/ cannot import Slicer at all; its calls with a capital are those of SimpleITK.
        if path.relative_to(ROOT / "panel").parts[0] in ("scene", "logic"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                verb = re.match("(Get|Set|Add|Remove|Create|Has|Is|Start|End|Copy|Unset)[A-Z]", node.func.attr)
                assert not verb, f"{place} calls {node.func.attr}"
            assert not (isinstance(node, ast.Attribute) and node.attr == "mrmlScene"), f"{place} uses the scene"
        assert not any(name.split(".")[0] == "vtk" for name in imported(path)), f"{path.relative_to(ROOT)} imports vtk"


def test_no_test_module_imports_another():
    """What several of them use is a helper module or a fixture of a conftest.py."""
    pattern = re.compile(
        r"^\s*(?:from [\w.]*\btest_\w+ import|from \.+ import .*\btest_|import .*\btest_)", re.MULTILINE
    )
    files = Path(__file__).parent.rglob("*.py")
    assert [path.name for path in files if pattern.search(path.read_text(encoding="utf-8"))] == []
