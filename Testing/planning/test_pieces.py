from __future__ import annotations

import numpy as np

from SemiSupervisedSegLib.planning.pieces import in_one_piece, pieces_of


def test_pieces_are_found_in_any_shape_and_order_of_labels() -> None:
    classes = np.zeros((6, 30, 30), np.uint8)
    classes[1:4, 2:12, 2:12] = 4
    classes[4, 12, 12] = 4
    classes[1:3, 20:25, 2:8] = classes[5, 20:25, 20:28] = 2
    assert pieces_of(classes) == {2: False, 4: True}
    assert pieces_of(np.zeros((2, 3, 3), np.uint8)) == {}


def test_a_hundredth_of_the_voxels_beside_it_is_a_slip_of_the_pen() -> None:
    classes = np.zeros((1, 40, 40), np.uint8)
    classes[0, :20, :20] = 1
    classes[0, 30, 30:34] = 1
    assert pieces_of(classes) == {1: True}
    classes[0, 34, 30:32] = 1
    assert pieces_of(classes) == {1: False}


def test_a_structure_that_is_in_pieces_once_is_not_one_piece() -> None:
    assert in_one_piece([{1: True, 2: True}, {}, {1: True, 2: False}, {2: True, 3: True}]) == (1, 3)
    assert in_one_piece([]) == ()
