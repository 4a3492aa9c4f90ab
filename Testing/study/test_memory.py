from __future__ import annotations

import pytest

from SemiSupervisedSegLib.study import memory
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.memory import check_memory, main_memory


def test_the_memory_of_this_computer_is_plausible():
    available, total = main_memory()
    assert 0 <= available <= total
    assert total == 0 or total > 2**28
    check_memory("A voxel", 4, "Nothing has to be done.")


@pytest.mark.parametrize("known", [(10**9, 10**10), (0, 10**9)])
def test_what_needs_more_is_refused_with_both_figures(monkeypatch, known):
    monkeypatch.setattr(memory, "main_memory", lambda: known)
    with pytest.raises(UserError, match=r"a\.nrrd needs 2\.0 GB of memory, but .* 1\.0 GB free\. Crop it\."):
        check_memory("a.nrrd", 2 * 10**9, "Crop it.")


def test_nothing_is_refused_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(memory, "main_memory", lambda: (0, 0))
    check_memory("a.nrrd", 10**18, "Crop it.")
