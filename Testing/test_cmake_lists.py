"""Slicer's build packages what the CMake lists name and nothing else: they have to name every file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A folder with a CMakeLists.txt, the name of a list in it, and the patterns of the files that belong there.
LISTS = {
    ("SemiSupervisedSegLib", "MODULE_PYTHON_SCRIPTS"): ("**/*.py",),
    ("SemiSupervisedSegLib", "MODULE_PYTHON_RESOURCES"): ("**/*.toml",),
    ("SemiSupervisedSeg", "MODULE_PYTHON_SCRIPTS"): ("**/*.py",),
    ("SemiSupervisedSeg", "MODULE_PYTHON_RESOURCES"): ("Resources/**/*.*",),
}


def listed(folder: str, name: str) -> list[str]:
    text = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(rf"set\({name}\n(.*?)\n\s*\)", text, re.DOTALL).group(1).split()


def there(folder: str, patterns: tuple[str, ...]) -> list[str]:
    found = {path for pattern in patterns for path in (ROOT / folder).glob(pattern) if path.is_file()}
    names = (path.relative_to(ROOT / folder).as_posix() for path in found)
    return sorted(name for name in names if "__pycache__" not in name)


@pytest.mark.parametrize(("folder", "name"), LISTS)
def test_every_file_is_in_its_list(folder, name):
    names, files = listed(folder, name), there(folder, LISTS[folder, name])
    missing = "".join(f"  {file}\n" for file in files if file not in names)
    gone = "".join(f"  {file}\n" for file in names if file not in files)
    assert not missing, f"Add to {name} in {folder}/CMakeLists.txt:\n{missing}"
    assert not gone, f"Remove from {name} in {folder}/CMakeLists.txt:\n{gone}"
    assert names == sorted(names), f"Sort {name} in {folder}/CMakeLists.txt, so that changes are easy to read."


def test_every_folder_that_holds_files_is_built():
    added = re.findall(
        r"^add_subdirectory\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(added) == {folder for folder, _ in LISTS}


def test_the_entry_for_the_extensions_index_agrees_with_cmake():
    entry = json.loads((ROOT / "Docs" / "SemiSupervisedSeg.json").read_text(encoding="utf-8"))
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\(EXTENSION_(\w+) "(.*?)"', text))
    assert entry["scm_url"] == values["HOMEPAGE"]
    assert entry["category"] == values["CATEGORY"]
    assert entry["build_dependencies"] == values["DEPENDS"].split()
    for key in ("ICONURL", "SCREENSHOTURLS"):
        path = values[key].removeprefix(f"{values['HOMEPAGE']}/raw/{entry['scm_revision']}/")
        assert (ROOT / path).is_file(), f"{key} names {path}, which is not in the repository."
