from __future__ import annotations

from SemiSupervisedSegLib.panel.logic.column_widths import column_widths


def test_the_first_column_takes_what_is_left():
    assert column_widths(300, [90, 50, 60], [40, 30, 60]) == [190, 50, 60]


def test_columns_shrink_in_proportion_and_no_further_than_their_least():
    assert column_widths(150, [100, 60, 40], [50, 30, 40]) == [69, 41, 40]
    assert column_widths(120, [100, 60, 40], [50, 30, 40]) == [50, 30, 40]
    assert column_widths(10, [100, 60, 40], [50, 30, 40]) == [50, 30, 40]


def test_optional_columns_are_left_out_in_their_order():
    needed, least = [100, 60, 40], [50, 60, 40]
    assert column_widths(120, needed, least, optional=(2, 1)) == [60, 60, 0]
    assert column_widths(100, needed, least, optional=(2, 1)) == [100, 0, 0]
    assert column_widths(150, needed, least, optional=(2, 1)) == [50, 60, 40]
