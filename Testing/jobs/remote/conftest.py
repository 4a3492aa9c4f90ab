from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .ssh_server import FarMachine, far_machine


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarMachine]:
    """A machine with the program of this computer."""
    with far_machine(tmp_path / "far", monkeypatch) as machine:
        machine.install_links()
        yield machine
