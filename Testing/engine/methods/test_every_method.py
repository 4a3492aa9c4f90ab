"""Every method has three files: its code, its catalogue entry, and its tests with the checks of all methods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import SemiSupervisedSegLib

FOLDER = Path(__file__).parent
PACKAGE = Path(SemiSupervisedSegLib.__file__).parent
CODE, ENTRIES = PACKAGE / "engine" / "methods", PACKAGE / "jobs" / "methods"
# As in: class TestDAN(MethodChecks):\n    method, variants, trained = "dan", ...
CHECKS = re.compile(r"^class Test\w+\((\w+Checks)\):\n    method\b.*? = \"(\w+)\"", re.MULTILINE)
BUILDS = re.compile(r"^def build\(context: MethodContext\) -> Method:$", re.MULTILINE)


def checked_methods(file: Path) -> set[str]:
    return {name for _, name in CHECKS.findall(file.read_text(encoding="utf-8"))} if file.is_file() else set()


def method_ids() -> list[str]:
    """Return the ids of all methods that have at least one of their files."""
    ids = {path.stem for path in ENTRIES.glob("[!_]*.toml")}
    ids |= {path.stem for path in CODE.glob("*.py") if BUILDS.search(path.read_text(encoding="utf-8"))}
    return sorted(ids.union(*(checked_methods(path) for path in FOLDER.glob("test_*.py"))))


@pytest.mark.parametrize("method", method_ids())
def test_every_method_has_its_three_files(method):
    code, entry, tests = CODE / f"{method}.py", ENTRIES / f"{method}.toml", FOLDER / f"test_{method}.py"
    lacking = [str(path.relative_to(PACKAGE.parent)) for path in (code, entry, tests) if not path.is_file()]
    assert not lacking, f"The method {method} lacks {', '.join(lacking)}; see Docs/development.md, A new method"
    assert BUILDS.search(code.read_text(encoding="utf-8")), (
        f"{code.name} has no build(context: MethodContext) -> Method"
    )
    assert method in checked_methods(tests), f'{tests.name} has no class Test...(MethodChecks) with method = "{method}"'
