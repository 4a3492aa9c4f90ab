"""What the next round is expected to take, with what earlier rounds taught."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....jobs.folder import JobFolder
from ....jobs.spec import SettingValue
from ....planning.round_plan import RoundPlan
from ....study.errors import UserError
from ....study.geometry import Geometry
from ....study.images import image_geometry
from ....study.model import Role, Study
from ...logic.devices import DeviceInfo
from ...logic.estimates import (
    Estimate,
    estimate,
    expected_plan,
    factors_of,
    trained_like,
)
from ...logic.round_times import CaseCounts, RoundTimes
from ...remembered_times import remember_times, remembered_times
from ...services import Preferences

_LOOKED_AT = 3
_ROUNDS = 5


class Expectation:
    """Estimates rounds of the open study; what it reads from disk is read once for each change of the rounds.

    Args:
        preferences: Preferences of this machine, which keep the times for first rounds of other studies.
    """

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._study: Study | None = None
        self._rounds: Sequence[JobFolder] = ()
        self._geometries: dict[Path, Geometry] = {}
        self._factors: dict[tuple[str, str], RoundTimes | None] = {}
        self._plans: dict[tuple[object, ...], RoundPlan] = {}

    def showStudy(self, study: Study | None, rounds: Sequence[JobFolder]) -> None:
        """Take another study, or a change of it or of its rounds."""
        if study != self._study:
            self._plans.clear()
        self._study, self._rounds = study, rounds
        self._factors.clear()

    def plan(self, method: str, preset: str, overrides: Mapping[str, SettingValue]) -> RoundPlan:
        """Return the plan and the settings that the worker would choose; raises UserError where they do not fit."""
        key = (method, preset, *sorted(overrides.items()))
        if key not in self._plans:
            # A click asks several times for the same one.
            self._plans[key] = expected_plan(self._typicalGeometries(), method, preset, overrides)
        return self._plans[key]

    def estimate(self, method: str, plan: RoundPlan, device: DeviceInfo | None) -> Estimate:
        """Return what a round takes."""
        factors, like = self._learned(method, plan.settings, device)
        return estimate(plan, self._typicalGeometries(), self._counts(), device, factors, like)

    def learn(self, folder: JobFolder, device: DeviceInfo | None) -> None:
        """Keep what a round on this computer took for the first rounds of other studies."""
        factors = factors_of(folder, self._typicalGeometries(), device, socket.gethostname())
        if factors is not None:
            remember_times(self._preferences, device.name, factors)

    def _learned(
        self, method: str, settings: Mapping[str, SettingValue], device: DeviceInfo | None
    ) -> tuple[RoundTimes | None, str]:
        """Return by how much rounds take longer than expected, and the round that was just like this one."""
        if device is None:
            return None, ""
        newest = list(reversed(self._rounds))[:_ROUNDS]
        for folder in newest:
            if trained_like(folder, method, settings, device.name) and (factors := self._factorsOf(folder, device)):
                return factors, folder.name
        found = (factors for folder in newest if (factors := self._factorsOf(folder, device)))
        return next(found, None) or remembered_times(self._preferences, device.name), ""

    def _factorsOf(self, folder: JobFolder, device: DeviceInfo) -> RoundTimes | None:
        key = folder.name, device.name
        if key not in self._factors:
            self._factors[key] = factors_of(folder, self._typicalGeometries(), device, socket.gethostname())
        return self._factors[key]

    def _counts(self) -> CaseCounts:
        cases = [] if self._study is None else [case for case in self._study.cases if case.role is not Role.IGNORED]
        return CaseCounts(sum(case.role is Role.VALIDATION for case in cases), len(cases))

    def _typicalGeometries(self) -> list[Geometry]:
        # A few headers; more would take time on a slow disk. A folder of DICOM files has no header of its own.
        geometries = []
        study = self._study
        for case in study.cases_of(Role.LABELED)[:_LOOKED_AT] if study is not None else ():
            path = study.image_path(case)
            if path not in self._geometries and path.is_file():
                with contextlib.suppress(UserError):
                    self._geometries[path] = image_geometry(path)
            if path in self._geometries:
                geometries.append(self._geometries[path])
        return geometries
