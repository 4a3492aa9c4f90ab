"""Slicer's window is closed while a worker of its own runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.run.runner import Runner
from SemiSupervisedSegLib.panel.sections.train.quit_guard import QuitGuard

from ...run.fake_worker import UNTIL_STOPPED, fake_python
from .train_panel import tiny_study

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
STOP, BACKGROUND, STAY = range(3)


class Slicer:
    """A window, a runner, and the guard between them."""

    def __init__(self, services: Any, folder: Path) -> None:
        import qt

        self.dialogs = services.dialogs
        services.pythonExecutable = fake_python(folder, UNTIL_STOPPED)
        study = tiny_study(folder / "study")
        self.round = next_round(study.folder, "supervised")
        self.round.write_spec(make_training_spec(study, "supervised", "quick", {}, device="cpu"))
        self.runner, self.window = Runner(services), qt.QWidget()
        self.guard = QuitGuard(self.window, self.runner, self.dialogs, self._restart)
        self.window.show()

    def _restart(self) -> None:
        self.runner.start(self.round, detached=True)

    @property
    def isOpen(self) -> bool:
        return self.window.isVisible()

    def waiting(self) -> list[Any]:
        import qt

        return [dialog for dialog in self.window.findChildren(qt.QProgressDialog) if dialog.isVisible()]


@pytest.fixture
def slicer(services: Any, slicer_app: Any, tmp_path: Path, spin: Callable[..., None]) -> Iterator[Slicer]:
    made = Slicer(services, tmp_path)
    yield made
    made.guard.cleanup()
    made.runner.stop()
    spin(lambda: not made.runner.running, 20)
    made.window.close()
    made.window.deleteLater()


def test_without_a_run_the_window_closes_without_a_question(slicer: Slicer) -> None:
    slicer.window.close()
    assert not slicer.isOpen


def test_the_user_may_stay(slicer: Slicer, spin: Any) -> None:
    slicer.runner.start(slicer.round)
    slicer.dialogs.answer("chooseButton", STAY)
    slicer.window.close()
    assert slicer.isOpen and slicer.runner.running and not slicer.runner.stopping
    (question,) = slicer.dialogs.asked
    assert "001-supervised is not finished" in question


def test_the_window_waits_for_the_worker_and_closes_then(slicer: Slicer, spin: Any) -> None:
    slicer.runner.start(slicer.round)
    slicer.dialogs.answer("chooseButton", STOP)
    slicer.window.close()
    assert slicer.isOpen and slicer.runner.stopping
    (waiting,) = slicer.waiting()
    assert "001-supervised saves what it has learned" in waiting.labelText
    slicer.window.close()
    assert slicer.isOpen, "closing twice asks nothing and loses nothing"
    spin(lambda: not slicer.isOpen, 20)
    assert not slicer.runner.running and not slicer.waiting()


def test_while_waiting_the_user_may_still_stay(slicer: Slicer, spin: Any) -> None:
    slicer.runner.start(slicer.round)
    slicer.dialogs.answer("chooseButton", STOP)
    slicer.window.close()
    slicer.waiting()[0].canceled.emit()
    spin(lambda: not slicer.runner.running, 20)
    assert slicer.isOpen and not slicer.waiting()


def test_the_training_goes_on_in_the_background(slicer: Slicer, spin: Any) -> None:
    slicer.runner.start(slicer.round)
    slicer.dialogs.answer("chooseButton", BACKGROUND)
    slicer.window.close()
    spin(lambda: not slicer.isOpen, 20)
    assert slicer.runner.running and slicer.runner.detached


def test_a_run_that_outlives_slicer_holds_nothing_up(slicer: Slicer) -> None:
    slicer.runner.start(slicer.round, detached=True)
    slicer.window.close()
    assert not slicer.isOpen
