"""The versions of the programs that decide about results."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

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
