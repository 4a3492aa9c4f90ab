"""A round on a cluster, through a real Slurm, from the button Start of the real panel to results in the scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..jobs.remote.slurm_server import Slurm, slurm
from .far import no_network
from .loop_driver import LoopDriver, choose
from .rounds_elsewhere import SECONDS, look, open_panel, resumed_at, set_up, study

__all__ = ["open_panel", "study"]
NAME = "cluster"


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """What the panel of `open_panel` finds in place of a workstation."""
    with slurm(tmp_path / NAME, monkeypatch) as cluster:
        yield cluster


def add_cluster(loop: LoopDriver, folder: Path) -> None:
    ui = loop.ui("Train")
    ui.machineNameEdit.setText(NAME)
    ui.machineFolderEdit.setText(str(folder))
    ui.slurmCheck.setChecked(True)
    ui.slurmTimeEdit.setText("00:30:00")
    ui.slurmCardsBox.setValue(0)
    loop.click(ui.addMachineButton)
    choose(ui.placeBox, NAME)
    ui.placeBox.activated.emit(ui.placeBox.currentIndex)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_round_on_a_cluster_is_one_of_this_computer(open_panel, far, study, spin, dialogs, tmp_path):
    loop = open_panel()
    loop.session.open_study(study)
    shown = loop.session.study.cases[-1].id
    loop.show(shown)
    set_up(loop)
    with no_network():
        add_cluster(loop, tmp_path / "there")
        folder = loop.start()
        loop.waitForPreview(SECONDS)
        loop.click(loop.ui("Train").stopButton)
        spin(lambda: not loop.panel.runner.running, SECONDS)
        assert "was stopped at step" in loop.ui("Train").outcomeLabel.text
        loop.click(loop.ui("Train").resumeButton)
        loop.waitForRound(folder, SECONDS)
    assert len(resumed_at(folder)) == 2
    assert len(far.jobs()) == 2
    look(loop, folder, shown)
    assert dialogs.messages == []
