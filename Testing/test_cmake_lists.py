"""The CMake files find every file that Slicer has to package."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from .cmake_lists import LISTS, ROOT, expected_files


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
@pytest.mark.parametrize("folder", sorted({folder for folder, _ in LISTS}))
def test_cmake_packages_every_file(folder, tmp_path):
    script = tmp_path / "list.cmake"
    lists = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8").replace("CONFIGURE_DEPENDS", "")
    script.write_text(
        f'set(CMAKE_CURRENT_SOURCE_DIR "{(ROOT / folder).as_posix()}")\n'
        "macro(slicerMacroBuildScriptedModule)\nendmacro()\nmacro(slicer_add_python_unittest)\nendmacro()\n"
        + re.sub(r'CURRENT_SOURCE_DIR}" +"', f'CURRENT_SOURCE_DIR}}" "{(ROOT / folder).as_posix()}/', lists)
        + '\nmessage("${MODULE_PYTHON_SCRIPTS}")\nmessage("${MODULE_PYTHON_RESOURCES}")\n',
        encoding="utf-8",
    )
    printed = subprocess.run(["cmake", "-P", str(script)], capture_output=True, text=True, check=True).stderr
    scripts, resources = (sorted(line.split(";")) for line in printed.splitlines())
    assert scripts == expected_files(folder, LISTS[folder, "MODULE_PYTHON_SCRIPTS"])
    assert resources == expected_files(folder, LISTS[folder, "MODULE_PYTHON_RESOURCES"])


def test_every_folder_that_holds_files_is_built():
    added = re.findall(
        r"^add_subdirectory\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(added) == {folder for folder, _ in LISTS}
