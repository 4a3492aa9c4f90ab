"""The files that Slicer has to package."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A folder with a CMakeLists.txt, a variable in it, and the patterns of the files that belong there.
LISTS = {
    ("SemiSupervisedSegLib", "MODULE_PYTHON_SCRIPTS"): ("**/*.py",),
    ("SemiSupervisedSegLib", "MODULE_PYTHON_RESOURCES"): ("**/*.toml",),
    ("SemiSupervisedSeg", "MODULE_PYTHON_SCRIPTS"): ("**/*.py",),
    ("SemiSupervisedSeg", "MODULE_PYTHON_RESOURCES"): ("Resources/**/*.*",),
}


def expected_files(folder: str, patterns: tuple[str, ...]) -> list[str]:
    """Return the files of a folder that match a pattern, relative to it."""
    paths = {path for pattern in patterns for path in (ROOT / folder).glob(pattern) if path.is_file()}
    names = (path.relative_to(ROOT / folder).as_posix() for path in paths)
    return sorted(name for name in names if "__pycache__" not in name)
