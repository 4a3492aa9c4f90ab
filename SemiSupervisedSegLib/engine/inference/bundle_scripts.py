"""The folder `scripts` of a bundle: unchanged copies of the modules that its prediction needs."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

FOLDER = "scripts"
_PACKAGE = Path(__file__).resolve().parents[2]
_ENTRY = Path("engine/inference/run_bundle.py")


@cache
def script_files() -> dict[str, bytes]:
    """Return the content of each file below `scripts`, by its path there."""
    modules: set[Path] = set()
    waiting = [_ENTRY]
    while waiting:
        module = waiting.pop()
        if module not in modules:
            modules.add(module)
            waiting += _imported(module)
    packages = {parent / "__init__.py" for module in modules for parent in module.parents}
    return {path.as_posix(): (_PACKAGE / path).read_bytes() for path in sorted(modules | packages)}


def write_scripts(bundle: Path) -> None:
    """Write the folder `scripts` of a bundle; raises OSError when that is not possible."""
    for name, content in script_files().items():
        path = bundle / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _imported(module: Path) -> list[Path]:
    """Return the modules of this package that a module imports."""
    found = []
    for node in ast.walk(ast.parse((_PACKAGE / module).read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = module.parents[node.level - 1] / (node.module or "").replace(".", "/")
            names = [package / alias.name for alias in node.names] if (_PACKAGE / package).is_dir() else [package]
            found += [name.with_suffix(".py") for name in names]
    return [path for path in found if (_PACKAGE / path).is_file()]
