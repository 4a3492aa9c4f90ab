from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.jobs.folder import JobFolder

from .rounds import EXIT_FINISHED, copy_of, main, new_round, tiny_study


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A finished round of two steps; not to be changed."""
    study = tiny_study(tmp_path_factory.mktemp("finished") / "study")
    folder = new_round(study)
    assert main(folder.path) == EXIT_FINISHED
    return folder


@pytest.fixture
def round_copy(finished: JobFolder) -> Iterator[JobFolder]:
    """A copy of the finished round, to be damaged, as if it had been killed at its very end."""
    folder = copy_of(finished)
    (folder.path / "result.json").unlink()
    yield folder


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return tmp_path / "study"
