"""How wide the columns of a table are, so that they fit into a narrow panel and fill a wide one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def column_widths(
    available: int, needed: Sequence[int], least: Sequence[int], optional: Sequence[int] = ()
) -> list[int]:
    """Return widths of columns that fill the available one; the first column takes what the others leave.

    Columns that do not fit shrink to their least widths. When not even those fit, optional columns are left out, which
    is a width of 0; the sum is larger than the available width only without all of them.

    Args:
        available: Width of the table in pixels.
        needed: Width that shows the whole content of each column.
        least: Width below which a column is of no use, at most the needed one.
        optional: Columns that can be left out, the first one first.
    """
    left_out: set[int] = set()
    for column in optional:
        if _total(least, left_out) <= available:
            break
        left_out.add(column)
    widths = [0 if column in left_out else width for column, width in enumerate(needed)]
    room = [0 if column in left_out else needed[column] - least[column] for column in range(len(needed))]
    missing = sum(widths) - available
    if missing > 0 and sum(room) > 0:
        share = min(1.0, missing / sum(room))
        # Rounded up, so that the columns fit together.
        widths = [width - math.ceil(share * spare) for width, spare in zip(widths, room, strict=True)]
    widths[0] += max(0, available - sum(widths))
    return widths


def _total(widths: Sequence[int], left_out: set[int]) -> int:
    return sum(width for column, width in enumerate(widths) if column not in left_out)
