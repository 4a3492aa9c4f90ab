"""The versions of the programs that decide about results."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__

_PACKAGES = ("torch", "monai", "numpy", "scipy", "SimpleITK")


def installed_versions() -> dict[str, str]:
    """Return versions by name without an import of the packages; those that are not installed are omitted."""
    versions = {"semi-supervised-seg": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def missing_packages() -> list[str]:
    """Return the packages that a worker needs and that are not installed."""
    return [package for package in _PACKAGES if package not in installed_versions()]


@cache
def package_digest() -> str:
    """Return a hash of the program's own code, the same wherever it is installed; the panel is not part of it."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in package_files(root):
        # Windows may have other ends of lines.
        content = (root / name).read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def package_files(root: Path) -> list[str]:
    """Return the files of the program that a worker may need, relative to the folder of the package."""
    paths = (path.relative_to(root) for pattern in ("*.py", "*.toml") for path in root.rglob(pattern))
    return sorted(path.as_posix() for path in paths if path.parts[0] != "panel")
