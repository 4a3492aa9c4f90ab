from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from SemiSupervisedSegLib.jobs.comparison import ComparisonSpec, comparisons, new_comparison_folder
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.machines import Machine, add_machine
from SemiSupervisedSegLib.jobs.remote.deletion import _read
from SemiSupervisedSegLib.jobs.remote.record import keep_record, new_record
from SemiSupervisedSegLib.panel.logic.disk_usage import Part, measure, remove_folder, size_words
from SemiSupervisedSegLib.panel.sections.disk import DiskSection
from SemiSupervisedSegLib.panel.session import Session

from ...jobs.remote.ssh_server import far_machine
from ..far import HANG, hanging, no_network, pretend
from ..panel_parts import load, makeContext
from ..studies import make_round, make_study


@pytest.fixture
def study(tmp_path: Path) -> Any:
    made = make_study(tmp_path / "study", cases=2)
    make_round(made, "001-cu2l", {"case00": 0.1})
    make_round(made, "002-cpcl")
    for number in range(120):
        place = made.folder / "cache" / f"deep{number % 3}" / f"{number}.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(1000))
    return made


@pytest.fixture
def section(scene: Any, services: Any, study: Any) -> Any:
    session = Session()
    session.open_study(study.folder)
    made = DiskSection(load("Disk"), makeContext(services, session))
    yield made
    made.cleanup()


def sizes(items: Any) -> dict[tuple[Part, str], int]:
    return {(item.part, item.name): item.size for item in items}


def table(section: Any) -> dict[str, str]:
    widget = section.ui.diskTable
    return {widget.item(row, 0).text(): widget.item(row, 1).text() for row in range(widget.rowCount)}


def test_every_byte_of_a_study_is_counted_once(study):
    steps = list(measure(study.folder))
    total = sum(path.lstat().st_size for path in study.folder.rglob("*") if path.is_file())
    found = sizes(steps[-1])
    assert sum(found.values()) == total
    assert found[Part.CACHE, ""] == 120_000
    assert found[Part.OTHER, ""] == (study.folder / "study.json").stat().st_size
    assert (Part.ROUND, "002-cpcl") in found
    assert len(steps) > 5


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (123_456, "123 kB"), (999_960, "1.0 MB"), (5e13, "50.0 TB")],
)
def test_sizes_in_words(size, words):
    assert size_words(int(size)) == words


def test_a_folder_goes_by_name_first_and_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep.txt").write_text("keep")
    folder = tmp_path / "doomed"
    (folder / "sub").mkdir(parents=True)
    for number in range(60):
        (folder / "sub" / str(number)).write_text("x")
    (folder / "link").symlink_to(outside, target_is_directory=True)
    steps = remove_folder(folder)
    next(steps)
    assert not folder.exists()
    assert list(steps) == []
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "keep.txt").read_text() == "keep"


def test_a_folded_section_measures_nothing(section, spin):
    assert section._widget.collapsed
    assert table(section) == {}
    section._widget.setProperty("collapsed", False)
    spin(lambda: len(table(section)) == 5)
    assert table(section)["Prepared images"] == "120 kB"
    assert "Round 001-cu2l" in table(section)


def test_the_cache_is_freed_after_a_question(section, dialogs, spin, study):
    section._widget.setProperty("collapsed", False)
    spin(lambda: section.ui.freeCacheButton.enabled)
    dialogs.answer("confirm", False, True)
    section.ui.freeCacheButton.click()
    assert (study.folder / "cache").exists()
    assert "120 kB" in dialogs.asked[0]
    section.ui.freeCacheButton.click()
    spin(lambda: table(section).get("Prepared images") == "0 bytes")
    assert not (study.folder / "cache").exists()
    assert not list(study.folder.glob(".tmp*"))
    assert "no prepared images" in section.ui.freeCacheButton.toolTip


def test_a_round_is_deleted_and_the_session_knows(section, dialogs, spin, study):
    section._widget.setProperty("collapsed", False)
    spin(lambda: len(table(section)) == 5)
    assert "Select a round or comparison" in section.ui.deleteRoundButton.toolTip
    section.ui.diskTable.setCurrentCell(3, 0)
    assert "Deleting loses" in section.ui.diskLabel.text
    dialogs.answer("confirm", True)
    section.ui.deleteRoundButton.click()
    spin(lambda: [folder.name for folder in section._session.rounds()] == ["001-cu2l"])
    assert "002-cpcl" in dialogs.asked[0]
    assert section._session.round.name == "001-cu2l"
    assert (study.folder / "annotations" / "case00.seg.nrrd").exists()


def test_nothing_is_freed_while_a_worker_is_at_work(section, dialogs, spin, study):
    section._widget.setProperty("collapsed", False)
    spin(lambda: section.ui.freeCacheButton.enabled)
    dialogs.answer("confirm", True)
    with section._session.rounds()[0].lock():
        section.ui.freeCacheButton.click()
    assert "running" in dialogs.messages[0]
    assert (study.folder / "cache").exists()


def test_a_comparison_is_counted_and_deleted(section, dialogs, spin, study):
    comparison = new_comparison_folder(study.folder)
    spec = ComparisonSpec(("supervised", "cps"), "quick", {}, "cpu", (0,), (("case00",), ("case01",)))
    comparison.write_request(spec)
    comparison.trainings()[0].folder.write_result({})
    size = sum(path.lstat().st_size for path in comparison.path.rglob("*") if path.is_file())
    assert sizes(list(measure(study.folder))[-1])[Part.COMPARISON, "001-compare"] == size
    section._widget.setProperty("collapsed", False)
    spin(lambda: len(table(section)) == 6)
    assert "Comparison 001-compare" in table(section)
    section.ui.diskTable.setCurrentCell(4, 0)
    dialogs.answer("confirm", True, True)
    with comparison.lock():
        section.ui.deleteRoundButton.click()
    assert "001-compare is running" in dialogs.messages[0]
    section.ui.deleteRoundButton.click()
    spin(lambda: comparisons(study.folder) == [])
    assert "001-compare" in dialogs.asked[0]
    assert len(section._session.rounds()) == 2


def leave_elsewhere(study: Any, far: Path) -> Path:
    """Let a round of the study be on another machine, and return its folder there."""
    job = JobFolder(study.folder / "rounds" / "002-cpcl")
    job.write_spec(make_training_spec(study, "supervised", "quick", {}, device="cpu"))
    record = keep_record(job, new_record(job, "box"), is_sent=True)
    there = far / "jobs" / record.names.token
    (there / "rounds" / job.name).mkdir(parents=True)
    return there


def delete_the_round(section: Any, dialogs: Any, spin: Any) -> None:
    section._widget.setProperty("collapsed", False)
    spin(lambda: len(table(section)) == 5)
    section.ui.diskTable.setCurrentCell(3, 0)
    dialogs.answer("confirm", True)
    section.ui.deleteRoundButton.click()
    spin(lambda: [folder.name for folder in section._session.rounds()] == ["001-cu2l"])


def test_a_round_elsewhere_is_deleted_there_as_well(section, dialogs, spin, study, tmp_path, monkeypatch):
    with far_machine(tmp_path / "far", monkeypatch) as far, no_network():
        far.install_links()
        add_machine(far.machine)
        there = leave_elsewhere(study, far.folder)
        assert section.ui.elsewhereLabel.isHidden()
        delete_the_round(section, dialogs, spin)
        assert section.ui.elsewhereLabel.text == "It is being deleted on box as well..."
        spin(lambda: not section._work.running, 60)
        assert section.ui.elsewhereLabel.text == "What was deleted here is deleted on box as well."
        assert not there.exists()


def test_of_a_machine_off_the_list_it_is_said_when_it_is_deleted(section, dialogs, spin, study, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    leave_elsewhere(study, tmp_path / "far")
    delete_the_round(section, dialogs, spin)
    spin(lambda: not section._work.running, 60)
    text = section.ui.elsewhereLabel.text
    assert text.startswith("✗ There is no machine 'box'. Add it in the panel (Train, Other machines), or with: ")
    assert text.endswith("What lies there is deleted with the next test of the connection to box.")
    assert [item.job for item in _read()] == ["002-cpcl"]


@pytest.mark.skipif(os.name == "nt", reason="a script that is a program")
def test_a_machine_that_never_answers_keeps_no_deletion_waiting(section, dialogs, spin, study, tmp_path, monkeypatch):
    pretend(tmp_path / "far", monkeypatch, HANG)
    add_machine(Machine("box", "far", "there"))
    leave_elsewhere(study, tmp_path / "far")
    with no_network():
        delete_the_round(section, dialogs, spin)
        spin(hanging, 60)
        section.cleanup()
    spin(lambda: not hanging(), 20)
    # The next test of the connection deletes it.
    assert [item.job for item in _read()] == ["002-cpcl"]
