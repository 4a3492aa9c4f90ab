from __future__ import annotations

import numpy as np

from SemiSupervisedSegLib.engine.inference.quality import quality_flags


def test_a_compact_structure_inside_the_image_has_no_flag():
    classes = np.zeros((5, 9, 9), np.uint8)
    classes[1:4, 2:5, 2:5] = 1
    assert quality_flags(classes, ["liver"]) == {}


def test_a_structure_that_was_not_found_is_empty():
    classes = np.zeros((5, 9, 9), np.uint8)
    classes[2, 4, 4] = 2
    assert quality_flags(classes, ["liver", "spleen", "kidney"]) == {"liver": ("empty",), "kidney": ("empty",)}


def test_two_large_pieces_are_flagged_and_specks_and_corners_are_not():
    classes = np.zeros((9, 12, 12), np.uint8)
    classes[2:6, 2:6, 2:6] = 1
    # 1 of 65 voxels.
    classes[7, 9, 9] = 1
    assert quality_flags(classes, ["liver"]) == {}
    classes[6:8, 6:9, 6:9] = 1
    assert quality_flags(classes, ["liver"]) == {}, "they meet at a corner"
    classes[6, 6, 6] = 0
    assert quality_flags(classes, ["liver"]) == {"liver": ("several_pieces",)}


def test_a_structure_at_any_face_of_the_image_may_be_cut_off():
    for axis in range(3):
        for place in (0, -1):
            classes = np.zeros((4, 5, 6), np.uint8)
            index = [2, 2, 2]
            index[axis] = place
            classes[tuple(index)] = 1
            assert quality_flags(classes, ["liver"]) == {"liver": ("touches_border",)}
