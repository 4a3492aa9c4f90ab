"""The program as a package, and `machine setup` on a real machine."""

from __future__ import annotations

import io
import os
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main as command
from SemiSupervisedSegLib.jobs.machines import add_machine, load_machines
from SemiSupervisedSegLib.jobs.remote.wheel import PYTHON, REQUIREMENTS, make_wheel
from SemiSupervisedSegLib.study.errors import UserError

from .ssh_server import far_machine

PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


def test_the_package_requires_what_the_project_requires():
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    assert list(REQUIREMENTS) == project["dependencies"]
    assert project["requires-python"] == PYTHON


def test_the_package_is_complete_and_the_same_every_time():
    content = make_wheel()
    assert content == make_wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        record = archive.read(next(name for name in names if name.endswith("/RECORD"))).decode()
    assert sorted(line.split(",")[0] for line in record.splitlines()) == sorted(names)
    assert "SemiSupervisedSegLib/jobs/methods/supervised.toml" in names
    assert not [name for name in names if "/panel/" in name]


def test_machines_are_added_changed_listed_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert command(["machine", "list"]) == 0
    assert "no machine yet" in capsys.readouterr().out
    assert command(["machine", "add", "box", "ann@box.example"]) == 0
    assert command(["machine", "add", "box", "far", "--folder", "/scratch/ann"]) == 0
    capsys.readouterr()
    assert command(["machine", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["box", "ssh", "far", "/scratch/ann"]
    assert command(["machine", "test", "bix"]) == 2
    assert command(["machine", "remove", "box"]) == 0
    assert load_machines() == ()


def test_a_damaged_list_of_machines_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("SemiSupervisedSegLib.jobs.machines.configuration_file", lambda: tmp_path / "machines.json")
    (tmp_path / "machines.json").write_text('{"machines": [{"name": "a", "host": "-oX", "folder": "x"}]}')
    with pytest.raises(UserError, match="cannot be used"):
        load_machines()
    (tmp_path / "machines.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        load_machines()


@pytest.mark.slow
def test_setup_installs_the_program_and_a_second_one_replaces_it(tmp_path, monkeypatch, capsys):
    # The packages of this Python stand for those that pip would download.
    python = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    packages = sysconfig.get_path("purelib")
    environment = f'PIP_NO_INDEX=1 PIP_NO_DEPS=1 PYTHONPATH={packages} "PATH={python}"'
    with far_machine(tmp_path / "far", monkeypatch, environment) as far:
        add_machine(far.machine)
        assert command(["machine", "test", "box"]) == 1
        assert "is not installed on box" in capsys.readouterr().out
        for _ in range(2):
            assert command(["machine", "setup", "box"]) == 0
            assert "Done." in capsys.readouterr().out
        venv = far.folder / "venv"
        assert list(venv.glob("lib/*/site-packages/SemiSupervisedSegLib/jobs/folder.py"))
        assert command(["machine", "test", "box"]) == 0
        assert "SemiSupervisedSeg: the version of this computer" in capsys.readouterr().out
        assert not list(far.folder.glob("*.whl"))
