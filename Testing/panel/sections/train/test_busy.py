"""The whole panel while a worker writes: a thousand cases, fifty events a second."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.events import StepDone, to_line
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.panel.logic.devices import DeviceInfo
from SemiSupervisedSegLib.study.model import Case, Role, Structure, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

from ...run.fake_worker import fake_python

CASES, EVENTS_A_SECOND, EVENTS, EARLIER = 1000, 50, 100, 3000
SCHEDULE = Path("/proc/thread-self/schedstat")
TALKS = f"""
for number in range(1, {EVENTS} + 1):
    step({EARLIER} + number, 100_000)
    if number % 10 == 0: say(Validated(step={EARLIER} + number, dice={{"wall": 0.5}}, mean_dice=0.5))
    if number % 20 == 0: say(WarningRaised(message=f"Note {{number}}."))
    time.sleep(1 / {EVENTS_A_SECOND})
sys.exit(1)
"""
PROCESSOR = DeviceInfo("cpu", "Processor (2 cores)", 4 * 10**9, 8 * 10**9, 100.0, False)


class Clock:
    """Measures the longest time between two ticks of a timer of 10 ms, without what other programs took of it."""

    def __init__(self) -> None:
        import qt

        self.gap, self._last = 0.0, own_time()
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self._tick)
        self._timer.start(10)

    def _tick(self) -> None:
        now = own_time()
        self.gap, self._last = max(self.gap, now - self._last), now

    def stop(self) -> float:
        self._timer.stop()
        return self.gap


def own_time() -> float:
    """Seconds of the clock, without those in which this thread waited for a processor where the system tells them."""
    try:
        waited = int(SCHEDULE.read_text(encoding="ascii").split()[1])
    except OSError:
        waited = 0
    return time.monotonic() - waited / 1e9


@pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
def test_every_event_reaches_the_panel(services: Any, scene: Any, tmp_path: Path, spin: Any) -> None:
    panel, section, seen = busy_panel(services, scene, tmp_path)
    clock = Clock()
    section.ui.resumeButton.click()
    assert panel.runner.running
    spin(lambda: not panel.runner.running, 60)
    print(f"The longest time between two turns of the event loop was {1000 * clock.stop():.0f} ms.")
    assert sum(isinstance(event, StepDone) for event in seen) >= EARLIER + EVENTS
    panel.cleanup()


def busy_panel(services: Any, scene: Any, tmp_path: Path) -> tuple[Any, Any, list[Any]]:
    """The panel on a study of many cases, whose first round has a long history."""
    from SemiSupervisedSegLib.panel.widget import Panel

    services.pythonExecutable = fake_python(tmp_path, TALKS)
    ui = Path(__file__).resolve().parents[4] / "SemiSupervisedSeg" / "Resources" / "UI"
    panel = Panel(ui, scene, services)
    section = panel.sections["Train"]
    section.probe.devices = (PROCESSOR,)
    section._showDevices()
    section.form.chooseMethod("supervised")
    study = many_cases(tmp_path / "study")
    folder = next_round(study.folder, "supervised")
    folder.write_spec(make_training_spec(study, "supervised", "quick", {}, device="cpu"))
    steps = [StepDone("train", step, 100_000, {"loss": 1 / step}, 0.01, time=1.0) for step in range(1, EARLIER + 1)]
    (folder.path / "events.jsonl").write_text("".join(map(to_line, steps)), encoding="utf-8")
    panel.session.open_study(study.folder)
    seen: list[Any] = []
    panel.runner.events.connect(seen.extend)
    return panel, section, seen


def many_cases(folder: Path) -> Study:
    study = create_study(folder, "Many", "MR", "here", [Structure("wall", 1, (255, 0, 0))])
    cases = [
        Case(f"case-{number:04d}", f"images/{number}.nrrd", "here", Role.LABELED, f"annotations/{number}.seg.nrrd")
        for number in range(CASES)
    ]
    study = Study(study.folder, study.name, study.modality, study.local_site, study.structures, tuple(cases))
    save_study(study)
    return study
