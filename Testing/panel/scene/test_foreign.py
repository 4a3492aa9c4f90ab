from __future__ import annotations

import numpy as np

from .builders import add_segmentation


def test_segmentations_of_other_images_are_hidden_while_a_study_is_shown(case_scene, study, scene):
    import slicer

    mine = slicer.util.addVolumeFromArray(np.zeros((6, 32, 32), np.int16), name="mine")
    drawn = add_segmentation(mine, {"chamber": np.ones((6, 32, 32), bool)})
    drawn.SetDisplayVisibility(True)
    nodes = case_scene.showCase(study, study.cases[0])
    assert not drawn.GetDisplayVisibility()
    over = add_segmentation(nodes.volume, {"chamber": np.ones((6, 32, 32), bool)}, "over the shown image")
    case_scene.showCase(study, study.cases[0])
    assert over.GetDisplayVisibility()
    drawn.SetDisplayVisibility(True)
    second = case_scene.showCase(study, study.cases[1])
    assert second.volume is not nodes.volume, "what the user drew over an image must not come to lie over another one"
    assert not over.GetDisplayVisibility()
    assert drawn.GetDisplayVisibility(), "the user wanted to see it"
    drawn.SetDisplayVisibility(False)
    case_scene.clear()
    assert drawn.GetDisplayVisibility()
