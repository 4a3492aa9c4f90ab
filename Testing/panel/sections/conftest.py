from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.panel.sections.export.section import ExportSection
from SemiSupervisedSegLib.panel.sections.review.section import ReviewSection

from .desk import Desk, finished_study


@pytest.fixture
def desk(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, scene: Any, services: Any, packaging: Any
) -> Iterator[Desk]:
    """A study with a round that a real worker has finished."""
    made = Desk(finished_study(tmp_path_factory), tmp_path / "study", services)
    yield made
    made.close()


@pytest.fixture
def review(desk: Desk, slice_views: Any, spin: Callable[..., None]) -> ReviewSection:
    """The section Review with the results of the round."""
    section = desk.section(ReviewSection, "Review")
    spin(lambda: section.model.rowCount() == 4)
    return section


@pytest.fixture
def export(desk: Desk) -> ExportSection:
    """The section Export."""
    return desk.section(ExportSection, "Export")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
