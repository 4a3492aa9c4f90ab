"""The packages that training needs: which are there, and their installation from a button.

Nothing here imports them. They are for the worker, in a separate process.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from slicer.i18n import tr as _

from ..study.errors import UserError

Wanted = TypeVar("Wanted")
_ROOT = Path(__file__).resolve().parents[2]
# In the source tree the module has a folder of its own; installed, its Resources lie beside the library.
_PLACES = (_ROOT / "SemiSupervisedSeg" / "Resources", _ROOT / "Resources")


class Requirement(Protocol):
    """A line of a requirements file as `slicer.packaging` reads it."""

    name: str
    specifier: object


class PackageInstaller:
    """Says which packages are there and installs those that are not.

    Args:
        requirements: Path of a requirements file, None for that of the module.
    """

    def __init__(self, requirements: Path | None = None) -> None:
        self._file = requirements

    def versions(self) -> dict[str, str]:
        """Return the installed version of every required package by name; empty where it is not installed."""
        return {requirement.name: _installed(requirement.name) for requirement in self._requirements()}

    def missing(self) -> tuple[str, ...]:
        """Return the packages that are absent or of an unsupported version, such as `monai>=1.5`."""
        check = _packaging().pip_check
        return tuple(str(requirement) for requirement in self._requirements() if not check(requirement))

    def install(self) -> str:
        """Install missing packages after a question to the user, and return a sentence on the outcome.

        It takes minutes, shows dialogs and belongs to the main thread: call it from a button. Raises UserError when the
        user declines, the extension PyTorch is absent, or the installation fails.
        """
        missing = set(self.missing())
        if not missing:
            return _("Everything that training needs is installed.")
        requirements = [requirement for requirement in self._requirements() if str(requirement) in missing]
        # PyTorch first: another package would bring one that does not fit the graphics card.
        remaining = []
        for requirement in requirements:
            if requirement.name == "torch":
                _guarded(_installTorch, requirement)
            else:
                remaining.append(requirement)
        if remaining:
            _guarded(_installOthers, remaining)
        importlib.invalidate_caches()
        return self._outcome()

    def _requirements(self) -> list[Requirement]:
        file = self._file or next(place for place in _PLACES if place.is_dir()) / "requirements.txt"
        return _packaging().load_requirements(file)

    def _outcome(self) -> str:
        missing = self.missing()
        if missing:
            raise UserError(
                _("These packages are still missing: {packages}.").format(packages=", ".join(missing)),
                _("Restart Slicer and check again."),
            )
        if "torch" in sys.modules:
            return _("Everything that training needs is installed. Restart Slicer once to free the memory this took.")
        return _("Everything that training needs is installed.")


def _packaging() -> ModuleType:
    try:
        from slicer import packaging
    except ImportError as error:
        raise UserError(
            _("This version of Slicer cannot check which packages are installed."), _("Use Slicer 5.11 or newer.")
        ) from error
    return packaging


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _installTorch(requirement: Requirement) -> None:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ModuleNotFoundError as error:
        raise UserError(
            _("The extension PyTorch is not installed in Slicer, and training needs it."),
            _("Install PyTorch in the Extensions Manager, restart Slicer, and press this button again."),
        ) from error
    logic = PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=str(requirement.specifier)) is None:
        raise _declined()


def _installOthers(requirements: list[Requirement]) -> None:
    try:
        _packaging().pip_ensure(requirements, requester="SemiSupervisedSeg")
    except RuntimeError as error:
        raise _declined() from error


def _guarded(step: Callable[[Wanted], None], what: Wanted) -> None:
    try:
        step(what)
    except (subprocess.CalledProcessError, ImportError, OSError) as error:
        raise UserError(
            _("The installation failed: {reason}.").format(reason=str(error).rstrip(".")),
            _("Check the connection to the internet and the free disk space, and try again."),
        ) from error


def _declined() -> UserError:
    return UserError(
        _("Nothing was installed, because you did not agree."),
        _("Training needs these packages. Press the button again when you want them."),
    )
