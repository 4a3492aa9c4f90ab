from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import qt
import slicer

from SemiSupervisedSegLib.panel.run.processes import isRunning
from SemiSupervisedSegLib.panel.scene import sample_data
from SemiSupervisedSegLib.panel.scene.adopting import segmentationOf
from SemiSupervisedSegLib.panel.scene.segments import structuresFromSegmentation
from SemiSupervisedSegLib.phantom.generate import phantom_structures

from ..slicer_stand_in.scripted_module import loadModule

FILE = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "SemiSupervisedSeg.py"


def offered() -> list[Any]:
    return getattr(slicer.modules, "sampleDataSources", {}).get(sample_data.CATEGORY, [])


@pytest.fixture
def source(scene: Any) -> Any:
    """What the module offers once Slicer has started, with or without having been loaded again."""
    host = loadModule(FILE)
    slicer.app.completeStartup()
    slicer.app.completeStartup()
    yield offered()[0]
    host.unload()
    vars(slicer.modules).pop("sampleDataSources", None)


def test_the_sample_study_is_offered_once_with_a_picture(source):
    assert len(offered()) == 1
    assert source.sampleName == "SemiSupervisedSeg phantom study"
    assert Path(source.thumbnailFileName).is_file()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The sample study of small images, made below a folder, which is returned."""
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path))
    monkeypatch.setitem(sample_data._RECIPE, "size", (24, 24, 4))
    return tmp_path


def test_a_click_brings_scans_of_three_hospitals_with_three_segmentations(source, small):
    volumes = source.customDownloader(source)
    names = [volume.GetName() for volume in volumes]
    assert names[:6] == [f"Home-{number}" for number in range(1, 7)]
    assert sorted(names[6:]) == ["East-1", "East-2", "West-1", "West-2"]
    structures = phantom_structures(2)
    segmented = [segmentationOf(volume, structures) for volume in volumes]
    assert [node is not None for node in segmented] == [True] * 3 + [False] * 7
    assert [node.GetDisplayVisibility() for node in segmented[:3]] == [1, 0, 0]
    found = structuresFromSegmentation(segmented[0])
    assert [(item.name, item.label, item.color) for item in found] == [
        (item.name, item.label, item.color) for item in structures
    ]
    for node, volume in zip(segmented[:3], volumes, strict=False):
        segment = node.GetSegmentation().GetNthSegmentID(0)
        assert slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume).any()
    assert not list(small.iterdir())


def test_a_failure_is_said_and_leaves_an_empty_scene(source, small, monkeypatch):
    said = []
    monkeypatch.setattr(slicer.util, "warningDisplay", lambda text, **more: said.append(text))
    monkeypatch.setitem(sample_data._RECIPE, "labeled", -1)
    assert source.customDownloader(source) == []
    assert "could not be made" in said[0]
    assert "counts" in said[0]
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert not list(small.iterdir())


def test_the_panel_goes_on_while_the_study_is_made(makePanel, small, spin, services, monkeypatch):
    panel = makePanel()
    panel.services.pythonExecutable = sys.executable
    ui, ticks = panel.sections["Study"].ui, []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: ticks.append(ui.sampleButton.text))
    timer.start(20)
    ui.sampleButton.click()
    assert not ui.sampleButton.enabled
    spin(lambda: ui.sampleButton.enabled, 60)
    timer.stop()
    assert any("of 10" in text for text in ticks)
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 10
    assert not list(small.iterdir())


def test_a_panel_that_goes_away_takes_the_process_along(makePanel, small, services):
    panel = makePanel()
    panel.services.pythonExecutable = sys.executable
    panel.sections["Study"].ui.sampleButton.click()
    process = panel.sections["Study"]._sample._process
    panel.sections["Study"].cleanup()
    assert not isRunning(process)
    assert not list(small.iterdir())
