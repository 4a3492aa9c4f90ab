"""Starts what stands for desktop Slicer before any test of this folder is imported, and gives tests its parts."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"

try:
    from ..slicer_stand_in import desktop
except ImportError as error:
    # Every other test does without Slicer's core, which is not to be had on every machine.
    _ABSENT = str(error)
    collect_ignore_glob = ["*"]
else:
    _ABSENT = ""
    desktop.start()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _ABSENT:
        terminalreporter.section("tests of the panel", red=True)
        terminalreporter.line(f"NOT RUN, because slicer-core or PySide6 cannot be imported: {_ABSENT}")
        terminalreporter.line("To install them: .ci/install_libraries; pip install --editable '.[test]'")


@pytest.fixture(scope="session")
def slicer_app() -> Any:
    """slicer.app"""
    import slicer

    return slicer.app


@pytest.fixture
def scene(slicer_app: Any) -> Iterator[Any]:
    """slicer.mrmlScene, empty."""
    import slicer

    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def slice_views(scene: Any) -> Iterator[dict[str, Any]]:
    """Slice views named as in Slicer's layout: Red (axial), Yellow (sagittal), Green (coronal)."""
    from ..slicer_stand_in.slice_view import SliceView

    orientations = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
    views = {name: SliceView(name, orientation) for name, orientation in orientations.items()}
    yield views
    for view in views.values():
        view.close()


@pytest.fixture
def packaging() -> Any:
    """slicer.packaging, which notes what it is asked to install."""
    import slicer

    slicer.packaging.forget()
    return slicer.packaging


@pytest.fixture
def dialogs() -> Any:
    """Dialogs that the test answers beforehand."""
    from ..slicer_stand_in.dialogs import ScriptedDialogs

    return ScriptedDialogs()


@pytest.fixture
def services(dialogs: Any, packaging: Any, tmp_path: Path) -> Any:
    """What a panel works with: real processes, scripted dialogs, preferences of this test only."""
    import qt

    from SemiSupervisedSegLib.panel.slicer_services import defaultServices

    made = defaultServices()
    made.dialogs = dialogs
    made.settings = qt.QSettings(str(tmp_path / "preferences.ini"), qt.QSettings.IniFormat)
    return made


@pytest.fixture
def makePanel(scene: Any, services: Any) -> Iterator[Callable[[], Any]]:
    from SemiSupervisedSegLib.panel.widget import Panel

    made = []
    # What the computer can train on does not matter here, and to ask takes seconds of it.
    services.pythonExecutable = shutil.which("false")

    def make() -> Any:
        made.append(Panel(_UI, scene, services))
        return made[-1]

    scene.SetURL("")
    yield make
    for panel in made:
        panel.cleanup()
        panel.widget.deleteLater()
    scene.SetURL("")


@pytest.fixture
def panel(makePanel: Callable[[], Any], tmp_path: Path) -> Any:
    from .studies import make_study

    made = makePanel()
    make_study(tmp_path / "study")
    made.session.open_study(tmp_path / "study")
    return made


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user whose name has accents, which come in the two ways that Unicode has for them."""
    folder = tmp_path / "Élodie Mu\u0308ller"
    (folder / "Temp").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder / "Temp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def spin(slicer_app: Any) -> Callable[..., None]:
    """Let Qt's event loop run until something holds: `spin(lambda: button.enabled, timeout=5)`."""
    import qt

    def run(until: Callable[[], bool], timeout: float = 10.0) -> None:
        loop, timer, end = qt.QEventLoop(), qt.QTimer(), time.monotonic() + timeout
        outcome: list[Any] = []

        def look() -> None:
            try:
                outcome[:] = [until()]
            except Exception as error:  # noqa: BLE001 - it would be lost in the event loop
                outcome[:] = [error]
            if outcome[0] or time.monotonic() > end:
                loop.quit()

        timer.connect("timeout()", look)
        timer.start(5)
        loop.exec_()
        timer.stop()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        assert outcome[0], f"This did not come true in {timeout} s."

    return run


@pytest.fixture
def grab(slicer_app: Any) -> Callable[..., Path]:
    """A picture of a widget, at the width that Slicer's module panel can have: `grab(widget, tmp_path / "a.png")`."""

    def save(widget: Any, path: Path, width: int = 360) -> Path:
        widget.resize(width, max(widget.sizeHint.height(), widget.minimumSizeHint.height()))
        assert widget.grab().save(str(path))
        return path

    return save


@pytest.fixture
def dark_style(slicer_app: Any) -> Iterator[None]:
    """Colours as in Slicer's dark style; make the widgets after it."""
    import qt

    before, dark = qt.QPalette(slicer_app.palette()), qt.QPalette(qt.QColor(50, 50, 50))
    for role in ("WindowText", "Text", "ButtonText"):
        dark.setColor(getattr(qt.QPalette, role), qt.QColor(230, 230, 230))
        dark.setColor(qt.QPalette.Disabled, getattr(qt.QPalette, role), qt.QColor(130, 130, 130))
    dark.setColor(qt.QPalette.Base, qt.QColor(35, 35, 35))
    slicer_app.setPalette(dark)
    yield
    slicer_app.setPalette(before)


@pytest.fixture(autouse=True)
def exceptions_in_slots(request: pytest.FixtureRequest) -> Iterator[list[BaseException]]:
    """Exceptions that Qt's event loop swallowed; each fails the test unless the test takes it out of the list."""
    swallowed: list[BaseException] = []
    before, sys.excepthook = sys.excepthook, lambda kind, error, traceback: swallowed.append(error)
    yield swallowed
    sys.excepthook = before
    if swallowed:
        raise swallowed[0]
