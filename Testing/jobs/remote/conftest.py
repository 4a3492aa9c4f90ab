from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.remote.executor import SshExecutor
from SemiSupervisedSegLib.study.model import Study

from .private_study import new_private_round, private_study
from .slurm_server import Slurm, slurm
from .ssh_server import FarMachine, far_machine
from .whole_rounds import MANY_STEPS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests with a cluster among the slow ones: its daemons take their time beside other tests."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def followers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends what a test that failed still follows; it would be tried again for as long as there are other tests."""
    made: list[SshExecutor] = []
    make = SshExecutor.__init__

    def note(executor: SshExecutor, *arguments: Any, **options: Any) -> None:
        make(executor, *arguments, **options)
        made.append(executor)

    monkeypatch.setattr(SshExecutor, "__init__", note)
    yield
    for executor in made:
        executor.detach()


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    """A machine with the program of this computer."""
    with far_machine(tmp_path / "far", monkeypatch) as machine:
        machine.install_links()
        yield machine


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """A cluster to which this computer submits."""
    with slurm(tmp_path / "cluster", monkeypatch) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A round of this computer."""
    folder = new_private_round(private_study(tmp_path_factory.mktemp("here") / "study"))
    assert launch(folder).wait() == 0
    return folder


@pytest.fixture(scope="session")
def long_here(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A round of this computer with many steps."""
    study = private_study(tmp_path_factory.mktemp("long") / "study")
    folder = new_private_round(study, steps=MANY_STEPS, preview_interval=0)
    assert launch(folder).wait() == 0
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """The same study somewhere else, without rounds."""
    return private_study(tmp_path / "study")
