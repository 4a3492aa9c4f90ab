"""Stands for slicer.packaging and the PyTorch extension: what would be installed is noted, nothing is installed."""

from __future__ import annotations

import types
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement


class Packaging(types.ModuleType):
    """The module `slicer.packaging` of Slicer 5.11 and later.

    Attributes:
        installed: the requirements that were asked for and not there, as text, in order of asking.
        declines: whether the user says no.
        missing: names of packages that count as not installed.
    """

    def __init__(self) -> None:
        super().__init__("slicer.packaging")
        self.forget()

    def forget(self) -> None:
        """Back to the beginning, for the next test."""
        self.installed: list[str] = []
        self.missing: set[str] = set()
        self.declines = False

    def load_requirements(self, path: Path | str) -> list[Requirement]:
        """The requirements of a file; comments and options of pip are left out."""
        lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
        return [Requirement(line) for line in lines if line and line[0] not in "#-"]

    def pip_check(self, requirements: Any) -> bool:
        """Whether everything is installed in a version that fits."""
        return all(self._isThere(requirement) for requirement in _listed(requirements))

    def pip_ensure(self, requirements: Any, *, requester: str | None = None, **options: Any) -> None:
        """Ask the user and install what is missing; RuntimeError when the user says no."""
        missing = [requirement for requirement in _listed(requirements) if not self._isThere(requirement)]
        if missing and self.declines:
            raise RuntimeError("User declined installation")
        self.note(*missing)

    def note(self, *requirements: Requirement) -> None:
        """Count requirements as installed."""
        self.installed += [str(requirement) for requirement in requirements]
        self.missing -= {requirement.name for requirement in requirements}

    def _isThere(self, requirement: Requirement) -> bool:
        if requirement.name in self.missing:
            return False
        try:
            return requirement.specifier.contains(version(requirement.name), prereleases=True)
        except PackageNotFoundError:
            return False


def makePyTorchUtils(packaging: Packaging) -> types.ModuleType:
    """The module `PyTorchUtils` of the PyTorch extension, for tests where the extension is there."""

    class PyTorchUtilsLogic:
        def installTorch(
            self,
            askConfirmation: bool = False,
            forceComputationBackend: str | None = None,
            torchVersionRequirement: str | None = None,
        ) -> Any:
            """Slicer's returns the module torch, or None when the user says no."""
            if askConfirmation and packaging.declines:
                return None
            packaging.note(Requirement(f"torch{torchVersionRequirement or ''}"))
            return types.SimpleNamespace(__version__="2.99")

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    return module


def _listed(requirements: Any) -> list[Requirement]:
    if isinstance(requirements, (str, Requirement)):
        requirements = [requirements]
    return [Requirement(str(requirement)) for requirement in requirements]
