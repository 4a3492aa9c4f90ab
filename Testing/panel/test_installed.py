"""The module works from the files that Slicer's build installs, and those only."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ..cmake_lists import LISTS, ROOT, expected_files

USE = """
import sys
sys.path[:0], sys.path[len(sys.path):] = [{installed!r}], [{root!r}]
from Testing.slicer_stand_in import desktop, scripted_module
desktop.start()
host = scripted_module.loadModule({installed!r} + "/SemiSupervisedSeg.py")
host.widgetRepresentation().enter()
panel = host.widgetRepresentation().self().panel
import SemiSupervisedSegLib
print(SemiSupervisedSegLib.__file__)
print(host.icon.isNull(), sorted(panel.services.installer.versions()))
host.unload()
print([name for name in ("torch", "monai", "SemiSupervisedSegLib.engine") if name in sys.modules])
"""


@pytest.fixture
def installed(tmp_path):
    """A folder as `lib/Slicer-5.x/qt-scripted-modules` of the installed extension."""
    target = tmp_path / "qt-scripted-modules"
    for folder, name in LISTS:
        # The library has a folder of its own there (WITH_SUBDIR), the module has not.
        place = target / folder if folder == "SemiSupervisedSegLib" else target
        for file in expected_files(folder, LISTS[folder, name]):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / folder / file, place / file)
    return target


def test_the_panel_opens_from_the_installed_files_without_torch(installed):
    code = USE.format(installed=str(installed), root=str(ROOT))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=installed)
    assert run.returncode == 0, run.stderr
    library, panel, heavy = run.stdout.splitlines()[-3:]
    assert library == str(installed / "SemiSupervisedSegLib" / "__init__.py")
    assert panel == "False ['monai', 'pydicom', 'submitit', 'torch']"
    assert heavy == "[]"


def test_the_worker_starts_from_the_installed_files(installed):
    command = [sys.executable, "-m", "SemiSupervisedSegLib", "worker", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=installed)
    assert run.returncode == 0, run.stderr
    assert "usage" in run.stdout
