from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from SemiSupervisedSegLib.panel.scene import sample_data
from SemiSupervisedSegLib.panel.scene.adopting import segmentationOf
from SemiSupervisedSegLib.panel.scene.segments import structuresFromSegmentation
from SemiSupervisedSegLib.phantom.generate import phantom_structures

from ...slicer_stand_in.scripted_module import loadModule

FILE = Path(__file__).resolve().parents[3] / "SemiSupervisedSeg" / "SemiSupervisedSeg.py"
SMALL = {"size": (24, 24, 4)}


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


def test_a_click_brings_scans_of_three_hospitals_with_three_segmentations(source, monkeypatch, tmp_path):
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path))
    monkeypatch.setitem(sample_data._RECIPE, "size", SMALL["size"])
    volumes = source.customDownloader(source)
    names = [volume.GetName() for volume in volumes]
    assert names[:6] == [f"Home-{number}" for number in range(1, 7)]
    assert sorted(names[6:]) == ["East-1", "East-2", "West-1", "West-2"]
    structures = phantom_structures(2)
    segmented = [segmentationOf(volume, structures) for volume in volumes]
    assert [node is not None for node in segmented] == [True] * 3 + [False] * 7
    found = structuresFromSegmentation(segmented[0])
    assert [(item.name, item.label, item.color) for item in found] == [
        (item.name, item.label, item.color) for item in structures
    ]
    for node, volume in zip(segmented[:3], volumes, strict=False):
        segment = node.GetSegmentation().GetNthSegmentID(0)
        assert slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume).any()
    assert not list(tmp_path.iterdir())


def test_the_scans_are_the_same_every_time(scene):
    first, second = (sample_data.loadPhantoms(**SMALL)[-1] for _ in range(2))
    assert first is not second
    assert np.array_equal(slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(second))


def test_a_failure_is_said_and_leaves_an_empty_scene(source, monkeypatch):
    said = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: said.append(text))
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.app, "temporaryPath", "/nowhere")
    with pytest.raises(FileNotFoundError):
        source.customDownloader(source)
    assert "could not be made" in said[0]
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
