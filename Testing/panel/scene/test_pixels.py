"""What a radiologist sees: colours at known places of rendered slice views."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.scene.styles import legendColor
from SemiSupervisedSegLib.study.annotations import write_segmentation
from SemiSupervisedSegLib.study.images import write_image

from .builders import like, ras_of

GREY = 100
# Columns, rows and slices of the blocks, far enough from each other and from the border to be told apart in pixels.
FINAL, PROTOTYPE, ANNOTATION = (slice(6, 14), 8), (slice(10, 18), 8), (slice(6, 14), 20)


@pytest.fixture
def image():
    values = np.full((5, 32, 32), GREY, np.int16)
    # For the automatic window.
    values[:, :2], values[:, 2:4] = 0, 2 * GREY
    made = sitk.GetImageFromArray(values)
    made.SetSpacing((2.0, 2.0, 6.0))
    # Left-handed and turned by 90 degrees about z.
    made.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, 1))
    made.SetOrigin((10, -20, 30))
    return made


def block(columns, row):
    classes = np.zeros((5, 32, 32), np.uint8)
    classes[2:4, row : row + 8, columns] = 1
    return classes


@pytest.fixture
def case(study, image):
    folder = study.folder
    write_image(folder / "images/flat.nrrd", image)
    write_segmentation(folder / "annotations/flat.seg.nrrd", like(block(*ANNOTATION), image), study.structures)
    return dataclasses.replace(study.cases[0], image="images/flat.nrrd", annotation="annotations/flat.seg.nrrd")


@pytest.fixture
def folder(study, case, image):
    round_folder = JobFolder(study.folder / "rounds/001-cu2l")
    place = round_folder.predictions / case.id
    place.mkdir(parents=True)
    write_segmentation(place / "final.seg.nrrd", like(block(*FINAL), image), study.structures)
    write_segmentation(place / "prototype.seg.nrrd", like(block(*PROTOTYPE), image), study.structures)
    probability = np.where(block(*FINAL) > 0, 0.9, 0.02).astype(np.float32)
    write_image(place / "probability.nrrd", like(probability, image))
    write_image(place / "uncertainty.nrrd", like(1 - probability, image))
    write_image(place / "disagreement.nrrd", like(block(*FINAL) ^ block(*PROTOTYPE), image))
    return round_folder


@pytest.fixture
def red(slice_views):
    return slice_views["Red"]


class Eye:
    """Colours of a view at voxels of a file."""

    def __init__(self, view, image):
        self.view, self.image = view, image

    def at(self, x, y, z=2):
        ras = ras_of(self.image, (x, y, z))
        self.view.goTo(ras)
        row, column = self.view.pixelOf(ras)
        return self.view.pixels()[row, column].astype(int)

    def edge(self, start, end, z=2):
        """The most colourful pixel on the way between two voxels."""
        points = [np.array(start) + part * (np.array(end) - start) for part in np.linspace(0, 1, 60)]
        places = [ras_of(self.image, (x, y, z)) for x, y in points]
        self.view.goTo(places[0])
        pixels = self.view.pixels().astype(int)
        colors = [pixels[self.view.pixelOf(place)] for place in places]
        return max(colors, key=lambda color: color.max() - color.min())


def is_grey(color):
    return color.max() - color.min() <= 2


@pytest.fixture
def eye(red, image):
    return Eye(red, image)


@pytest.fixture
def plain(case_scene, study, case, folder, red, eye):
    """The grey of the image at a place without any overlay."""
    case_scene.showCase(study, case, folder)
    color = eye.at(26, 28)
    assert is_grey(color)
    assert 50 < color[0] < 200
    return color


def test_the_prototype_based_prediction_is_a_fill_without_outline(case_scene, study, plain, eye):
    for kind in ("final", "annotation"):
        case_scene.setVisible(kind, False)
    color = np.array(study.structures[0].color)
    expected = plain + 0.35 * (color - plain)
    assert np.allclose(eye.at(14, 12), expected, atol=4)
    assert np.allclose(eye.edge((14, 12), (14, 5)), expected, atol=4)
    assert is_grey(eye.at(20, 12))
    assert is_grey(eye.at(14, 6))


def test_the_final_prediction_is_an_outline_without_fill(case_scene, study, plain, eye):
    for kind in ("prototype", "annotation"):
        case_scene.setVisible(kind, False)
    assert np.array_equal(eye.at(9, 12), plain)
    assert np.allclose(eye.edge((9, 12), (9, 5)), study.structures[0].color, atol=8)


def test_the_outline_of_the_final_prediction_is_three_pixels_and_of_the_annotation_one(
    case_scene, study, plain, eye, red
):
    widths = {}
    for kind, row in (("final", 8), ("annotation", 20)):
        for other in ("final", "prototype", "annotation"):
            case_scene.setVisible(other, other == kind)
        start, end = ras_of(eye.image, (10, row + 4, 2)), ras_of(eye.image, (10, row - 5, 2))
        red.goTo(start)
        pixels = red.pixels().astype(int)
        (row0, column0), (row1, column1) = red.pixelOf(start), red.pixelOf(end)
        line = pixels[min(row0, row1) : max(row0, row1) + 1, min(column0, column1) : max(column0, column1) + 1]
        widths[kind] = int(((line.max(-1) - line.min(-1)) > 40).sum())
    assert widths["annotation"] in (1, 2)
    assert widths["final"] in (3, 4)


def test_an_annotation_is_a_light_outline_of_the_same_hue(case_scene, study, plain, eye):
    for kind in ("final", "prototype"):
        case_scene.setVisible(kind, False)
    assert np.array_equal(eye.at(10, 24), plain)
    found = eye.edge((10, 24), (10, 17))
    assert np.allclose(found, legendColor("annotation", study.structures[0].color), atol=12)
    assert found.min() > min(study.structures[0].color) + 40


def test_an_annotation_that_is_edited_is_filled_so_that_strokes_are_seen(case_scene, study, case, plain, eye):
    case_scene.prepareAnnotation(study, case)
    inside = eye.at(10, 24)
    assert inside[0] - inside[1] > 15
    case_scene.saveAnnotation(study, case, study.folder / "annotations/new.seg.nrrd")
    case_scene.endEditing()
    assert np.array_equal(eye.at(10, 24), plain)


def test_both_predictions_are_seen_where_they_part(case_scene, study, plain, eye):
    case_scene.setVisible("annotation", False)
    color = np.array(study.structures[0].color)
    assert np.array_equal(eye.at(7, 12), plain)
    assert np.allclose(eye.at(16, 12), plain + 0.35 * (color - plain), atol=4)
    assert np.allclose(eye.edge((7, 12), (7, 5)), color, atol=8)


def test_nothing_is_drawn_on_slices_without_segments(plain, eye):
    for x, y in ((9, 12), (14, 12), (10, 24)):
        for z in (0, 1, 4):
            assert is_grey(eye.at(x, y, z))
    assert not is_grey(eye.at(14, 12, 3))


@pytest.mark.parametrize(
    ("kind", "hot", "cold"),
    [("probability", (9, 12), (26, 24)), ("uncertainty", (26, 24), None), ("disagreement", (8, 12), (26, 24))],
)
def test_a_heatmap_covers_only_high_values(case_scene, plain, eye, kind, hot, cold):
    for other in ("final", "prototype", "annotation"):
        case_scene.setVisible(other, False)
    case_scene.setHeatmap(kind, 0.6)
    warm = eye.at(*hot)
    assert warm[0] > warm[2] + 30
    if cold:
        assert np.array_equal(eye.at(*cold), plain)
    case_scene.setHeatmap(kind, 0.1)
    assert 0 < np.abs(eye.at(*hot) - plain).max() < np.abs(warm - plain).max()
    case_scene.setHeatmap(None, 0.6)
    assert np.array_equal(eye.at(*hot), plain)


def test_a_preview_changes_the_picture(case_scene, study, case, folder, image, plain, eye):
    for kind in ("final", "annotation"):
        case_scene.setVisible(kind, False)
    assert not is_grey(eye.at(14, 12))
    write_segmentation(study.folder / "p.seg.nrrd", like(block(slice(20, 28), 8), image), study.structures)
    case_scene.refreshPredictions({"prototype": study.folder / "p.seg.nrrd"}, 10)
    assert is_grey(eye.at(14, 12))
    assert not is_grey(eye.at(24, 12))


def test_hidden_kinds_stay_hidden_for_the_next_case(case_scene, study, case, folder, plain, eye):
    case_scene.setVisible("prototype", False)
    case_scene.showCase(study, study.cases[1])
    nodes = case_scene.showCase(study, case, folder)
    assert not nodes.prototype.GetDisplayVisibility()
    assert nodes.final.GetDisplayVisibility()


def test_side_by_side_shows_one_prediction_a_view_in_the_acquired_plane(case_scene, study, plain, slice_views, image):
    red, yellow = slice_views["Red"], slice_views["Yellow"]
    layout().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    case_scene.setVisible("annotation", False)
    case_scene.setLayout("side_by_side")
    assert layout().GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    color = np.array(study.structures[0].color)
    left, right = Eye(red, image), Eye(yellow, image)
    assert np.allclose(left.at(14, 12), plain + 0.35 * (color - plain), atol=4)
    assert is_grey(left.edge((7, 12), (7, 5)))
    assert is_grey(right.at(16, 12))
    assert np.allclose(right.edge((7, 12), (7, 5)), color, atol=8)
    case_scene.setLayout("overlaid")
    assert layout().GetViewArrangement() == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert not is_grey(left.at(14, 12))
    assert np.allclose(left.edge((7, 12), (7, 5)), color, atol=8)


def test_a_change_of_the_layout_stays_at_the_slice(case_scene, plain, slice_views, image):
    ras = ras_of(image, (9, 12, 3))
    slice_views["Red"].goTo(ras)
    case_scene.setLayout("side_by_side")
    for name in ("Red", "Yellow"):
        assert slice_views[name].logic.GetSliceOffset() == pytest.approx(ras[2], abs=0.1)
    case_scene.setLayout("overlaid")
    assert slice_views["Red"].logic.GetSliceOffset() == pytest.approx(ras[2], abs=0.1)


def test_views_are_fitted_when_the_layout_has_given_them_their_sizes(case_scene, plain, slice_views, image, spin):
    ras = ras_of(image, (9, 12, 3))
    slice_views["Red"].goTo(ras)
    case_scene.setLayout("side_by_side")
    case_scene.setLayout("overlaid")
    node = slice_views["Red"].logic.GetSliceNode()
    fitted = node.GetFieldOfView()
    # As a view does that becomes larger.
    node.SetFieldOfView(3 * fitted[0], 3 * fitted[1], fitted[2])
    spin(lambda: node.GetFieldOfView()[0] == pytest.approx(fitted[0]))
    assert slice_views["Red"].logic.GetSliceOffset() == pytest.approx(ras[2], abs=0.1)


def layout():
    return slicer.util.getNodesByClass("vtkMRMLLayoutNode")[0]
