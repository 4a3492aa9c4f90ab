from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.panel.sections.cases.section import CasesSection

from ...panel_parts import load, makeContext
from ...studies import make_study


@pytest.fixture
def section(scene: Any, services: Any) -> Iterator[CasesSection]:
    """The section Cases without a study."""
    made = CasesSection(load("Cases"), makeContext(services))
    yield made
    made.cleanup()


@pytest.fixture
def opened(section: CasesSection, tmp_path: Path) -> CasesSection:
    """The section Cases with a study of four cases, two of them annotated."""
    make_study(tmp_path / "study")
    section._session.open_study(tmp_path / "study")
    return section
