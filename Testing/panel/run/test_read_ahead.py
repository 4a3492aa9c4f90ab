from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from SemiSupervisedSegLib.panel.logic.case_files import FileRequest, read_content
from SemiSupervisedSegLib.panel.run.read_ahead import ReadAhead
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.images import read_image

from ..studies import STRUCTURES, write_annotation, write_volume


@pytest.fixture
def ahead(services):
    services.pythonExecutable = sys.executable
    made = ReadAhead(services)
    yield made
    made.cleanup()


@pytest.fixture
def requests(tmp_path):
    image, drawn = write_volume(tmp_path / "a.nrrd"), write_annotation(tmp_path / "a.seg.nrrd")
    return [
        FileRequest("image", str(image)),
        FileRequest("annotation", str(drawn), STRUCTURES, str(image)),
        FileRequest("segmentation", str(drawn), STRUCTURES),
        FileRequest("map", str(drawn)),
        FileRequest("worst_place", str(drawn)),
    ]


def assert_same(first, second):
    for name in ("geometry", "window", "uids", "terminology", "place"):
        assert getattr(first, name) == getattr(second, name), name
    assert np.array_equal(first.values, second.values) or first.values is second.values is None


def test_what_is_expected_is_ready_and_the_same_as_when_it_is_read(ahead, requests, spin):
    ahead.expect(requests)
    spin(lambda: not ahead.isWaiting, timeout=60)
    for request in requests:
        assert ahead.isReady(request), request.kind
        assert_same(ahead.read(request), read_content(request))


def test_a_file_that_has_changed_since_is_read_again(ahead, requests, spin, tmp_path):
    ahead.expect(requests[:1])
    spin(lambda: not ahead.isWaiting, timeout=60)
    write_volume(tmp_path / "a.nrrd", seed=1)
    os.utime(tmp_path / "a.nrrd", ns=(1, 1))
    assert not ahead.isReady(requests[0])
    assert_same(ahead.read(requests[0]), read_content(requests[0]))


def test_what_is_not_expected_any_more_is_dropped(ahead, requests, spin):
    ahead.expect(requests)
    spin(lambda: not ahead.isWaiting, timeout=60)
    ahead.expect(requests[1:])
    assert not ahead.isReady(requests[0])
    assert ahead.isReady(requests[1])


def test_a_damaged_file_is_reported_when_it_is_needed_and_the_next_ones_are_ready(ahead, requests, spin, tmp_path):
    (tmp_path / "bad.nrrd").write_bytes(b"no image")
    bad = FileRequest("image", str(tmp_path / "bad.nrrd"))
    ahead.expect([bad, *requests[:1]])
    spin(lambda: not ahead.isWaiting, timeout=60)
    assert ahead.isReady(requests[0])
    with pytest.raises(UserError, match=r"bad\.nrrd"):
        ahead.read(bad)


def test_a_process_that_does_not_work_is_done_without(ahead, requests, spin, tmp_path):
    ahead._services.pythonExecutable = "false"
    ahead.expect(requests)
    spin(lambda: not ahead.isWaiting)
    ahead.expect(requests[:1])
    assert not ahead.isWaiting
    assert ahead.read(requests[0]).values.shape == (6, 9, 8)
    assert read_image(tmp_path / "a.nrrd").GetSize() == (8, 9, 6)


def test_what_is_prepared_is_read_first_and_told_once(ahead, requests, spin):
    told = []
    ahead.expect(requests[1:])
    assert ahead.prepare(requests[:1], lambda: told.append(ahead.isReady(requests[0])))
    spin(lambda: told, timeout=60)
    assert not all(map(ahead.isReady, requests[1:]))
    spin(lambda: not ahead.isWaiting, timeout=60)
    assert told == [True]
    assert all(map(ahead.isReady, requests[1:]))
    # It is there: nothing to wait for.
    assert not ahead.prepare(requests[1:2], lambda: told.append(None))
    assert told == [True]


def test_what_was_prepared_is_dropped_when_it_is_not_expected_and_not_read_again(ahead, requests, spin):
    told = []
    ahead.prepare(requests[:1], lambda: told.append(True))
    spin(lambda: told, timeout=60)
    ahead.expect([])
    assert not ahead.isReady(requests[0])
    assert not ahead.isWaiting


def test_only_the_last_that_was_prepared_is_told(ahead, requests, spin):
    told = []
    ahead.prepare(requests[:1], lambda: told.append(1))
    ahead.prepare(requests[1:], lambda: told.append(2))
    spin(lambda: told and not ahead.isWaiting, timeout=60)
    assert told == [2]


def test_a_process_that_ends_does_not_let_the_panel_wait(ahead, requests, spin):
    told = []
    ahead._services.pythonExecutable = "false"
    assert ahead.prepare(requests, lambda: told.append(True))
    spin(lambda: told)
    assert not ahead.prepare(requests, lambda: told.append(True))
