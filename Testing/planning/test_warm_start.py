"""Structures of an earlier model and of a round that starts from it."""

from __future__ import annotations

import pytest

from SemiSupervisedSegLib.planning.warm_start import match_structures
from SemiSupervisedSegLib.study.model import Structure


def named(*names: str) -> tuple[Structure, ...]:
    return tuple(Structure(name, 10 * label, (label, 0, 0)) for label, name in enumerate(names, 1))


@pytest.mark.parametrize(
    ("before", "now", "sources", "words"),
    [
        (("atrium", "wall"), ("atrium", "wall"), (0, 1, 2), ""),
        (("atrium", "wall"), ("Wall", "atrium"), (0, 2, 1), ""),
        (
            ("atrium", "wall"),
            ("scar", "wall", "atrium"),
            (0, None, 2, 1),
            "From the earlier model wall and atrium are taken over; scar is new.",
        ),
        (
            ("atrium", "wall", "aorta"),
            ("wall",),
            (0, 2),
            "From the earlier model wall is taken over; atrium and aorta are not used any more.",
        ),
        (
            ("liver",),
            ("a", "b", "c"),
            (0, None, None, None),
            "From the earlier model the image features alone are taken over; a, b and c are new; "
            "liver is not used any more.",
        ),
    ],
)
def test_structures_are_matched_by_name(
    before: tuple[str, ...], now: tuple[str, ...], sources: tuple[int | None, ...], words: str
) -> None:
    match = match_structures(named(*before), named(*now))
    assert match.sources == sources
    assert match.in_words() == words
    assert match.is_same == (before == now)
