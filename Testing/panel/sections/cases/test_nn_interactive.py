"""The button that hands a segment over to nnInteractive, with a module of the same name in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.study.annotations import read_annotation
from SemiSupervisedSegLib.study.images import read_image


class NNInteractive:
    """Reads the shared parameter node and fills its segment, as the module of nnInteractive does."""

    name = "SlicerNNInteractive"

    def __init__(self) -> None:
        self.shown = 0

    @property
    def parameters(self) -> Any:
        return slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")

    def select(self, name: str) -> None:
        assert name == self.name
        self.shown += 1

    def predict(self, where: tuple[slice, slice, slice]) -> None:
        node, volume = self.parameters.GetSegmentationNode(), self.parameters.GetSourceVolumeNode()
        mask = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
        mask[where] = 1
        segment = self.parameters.GetSelectedSegmentID()
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> NNInteractive:
    module = NNInteractive()
    monkeypatch.setattr(slicer.modules, "slicernninteractive", module, raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", module.select)
    return module


def annotate(opened: Any, case: str, segment: str) -> Any:
    opened.table.select([case])
    opened.ui.annotateButton.click()
    pane = opened._context.editing
    ids = pane.editor.node.GetSegmentation()
    pane.ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)[0].setCurrentSegmentID(
        ids.GetSegmentIdBySegmentName(segment)
    )
    return pane


def test_without_nn_interactive_there_is_no_button(opened):
    assert annotate(opened, "case02", "liver").ui.nnInteractiveButton.isHidden()


def test_what_nn_interactive_segments_is_saved_as_annotation(opened, other):
    pane = annotate(opened, "case02", "tumor")
    node, volume = pane.editor.node, opened._scene.nodes.volume
    assert not pane.ui.nnInteractiveButton.isHidden()
    pane.ui.nnInteractiveButton.click()
    assert other.shown == 1
    assert other.parameters.GetSegmentationNode() is node
    assert other.parameters.GetSourceVolumeNode() is volume
    assert pane.editor.node is None
    assert opened._session.facts().editing
    other.predict((slice(1, 3), slice(2, 5), slice(2, 6)))
    pane.enter()
    assert pane.editor.node is node
    assert other.parameters.GetSegmentationNode() is None
    assert other.parameters.GetSourceVolumeNode() is None
    pane.ui.saveEditButton.click()
    study = opened._session.study
    case = study.case("case02")
    labels = read_annotation(study.annotation_path(case), study.structures, read_image(study.image_path(case)))
    expected = np.zeros(labels.GetSize()[::-1], np.uint8)
    expected[1:3, 2:5, 2:6] = 2
    assert np.array_equal(sitk.GetArrayFromImage(labels), expected)


def test_undo_does_not_go_back_to_before_what_came_from_nn_interactive(opened, other):
    pane = annotate(opened, "case02", "liver")
    editor = pane.ui.editorContainer.findChildren(slicer.qMRMLSegmentEditorWidget)[0]
    editor.saveStateForUndo()
    pane.ui.nnInteractiveButton.click()
    other.predict((slice(1, 3), slice(2, 5), slice(2, 6)))
    pane.enter()
    editor.undo()
    pane.ui.saveEditButton.click()
    assert opened._session.study.case("case02").annotation is not None


def test_another_case_shown_meanwhile_ends_it_and_nothing_is_lost(opened, other):
    pane = annotate(opened, "case02", "liver")
    pane.ui.nnInteractiveButton.click()
    other.predict((slice(1, 3), slice(2, 5), slice(2, 6)))
    opened._session.show("case01")
    assert other.parameters.GetSegmentationNode() is None
    assert not opened._session.facts().editing
    pane.enter()
    assert pane.editor.node is None
    assert opened._scene.unsavedCases(opened._session.study) == ["case02"]


def test_a_segmentation_deleted_meanwhile_is_said_when_it_is_saved(opened, other):
    pane = annotate(opened, "case02", "liver")
    pane.ui.nnInteractiveButton.click()
    slicer.mrmlScene.RemoveNode(other.parameters.GetSegmentationNode())
    pane.enter()
    pane.ui.nnInteractiveButton.click()
    assert other.shown == 1
    pane.ui.saveEditButton.click()
    assert "no annotation of case02" in opened._dialogs.messages[-1]
