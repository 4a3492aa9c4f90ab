"""Maps over the shown case."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SemiSupervisedSegLib.jobs.structure_maps import SHARES, structure_map
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image, write_image

from .builders import classes_of, like


def test_a_heatmap_is_read_when_it_is_chosen_and_gone_when_another_one_is(case_scene, study, predict):
    case = study.cases[0]
    nodes = case_scene.showCase(study, case, predict(case))
    assert nodes.probability is None
    assert nodes.uncertainty is None
    case_scene.setHeatmap("probability", 0.5)
    assert case_scene.nodes.probability is not None
    case_scene.setHeatmap("uncertainty", 0.5)
    assert case_scene.nodes.probability is None
    assert case_scene.nodes.uncertainty is not None
    case_scene.setHeatmap(None, 0.5)
    assert case_scene.nodes == nodes


def test_the_probability_of_one_structure_takes_the_place_of_that_of_all(case_scene, study, predict):
    first, second = study.cases[:2]
    folder = predict(first)
    predict(second)
    image, classes = read_image(study.image_path(first)), classes_of(study, first)
    for index in (1, 2):
        shares = (SHARES * (classes == index)).astype(np.uint8)
        write_image(folder.predictions / first.id / structure_map(index), like(shares, image))
    case_scene.showCase(study, first, folder)
    for index in (1, 2):
        case_scene.setHeatmap(f"probability-{index}", 0.5)
        shown = slicer.util.arrayFromVolume(case_scene.nodes.probability)
        assert shown.dtype == np.float32
        name = case_scene.nodes.probability.GetName()
        assert name == f"{first.id} probability ({study.structures[index - 1].name})"
        assert np.array_equal(shown, classes == index)
    case_scene.setHeatmap("probability", 0.5)
    assert len(np.unique(slicer.util.arrayFromVolume(case_scene.nodes.probability))) > 2
    case_scene.setHeatmap("probability-2", 0.5)
    # A round of an older program has no such map.
    assert case_scene.showCase(study, second, folder).probability is None
    assert case_scene.showCase(study, first, folder).probability is not None


def test_a_heatmap_that_cannot_be_read_is_reported(case_scene, study, predict):
    case = study.cases[0]
    folder = predict(case)
    case_scene.showCase(study, case, folder)
    (folder.predictions / case.id / "uncertainty.nrrd").write_bytes(b"no image")
    with pytest.raises(UserError, match="uncertainty"):
        case_scene.setHeatmap("uncertainty", 0.5)
