"""The module as Slicer loads, shows, reloads and tests it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import slicer

from ..slicer_stand_in.scripted_module import loadModule

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "SemiSupervisedSeg" / "SemiSupervisedSeg.py"


@pytest.fixture
def module(scene, services, monkeypatch):
    """The module with its panel; dialogs are scripted."""
    from SemiSupervisedSegLib.panel.dialogs import SlicerDialogs

    monkeypatch.setattr(SlicerDialogs, "confirm", lambda self, text: services.dialogs.confirm(text))
    monkeypatch.setattr(SlicerDialogs, "showError", lambda self, error: services.dialogs.showError(error))
    host = loadModule(FILE)
    yield host
    host.unload()


def test_slicer_learns_what_the_module_is(module):
    assert module.title == "Semi-Supervised Segmentation"
    assert module.categories == ["Segmentation"]
    assert (module.icon.availableSizes()[0].width(), module.icon.availableSizes()[0].height()) == (128, 128)
    assert "SemiSupervisedSeg" in slicer.selfTests


def test_loading_the_module_reads_nothing_of_the_library():
    imported = {
        name.split(".")[0]
        for node in ast.parse(FILE.read_text(encoding="utf-8")).body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names) | {"slicer"}


def test_in_a_source_tree_the_library_is_found_beside_the_module(monkeypatch, slicer_app):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    host = loadModule(FILE)
    assert sys.path[-1] == str(ROOT)
    host.unload()


def test_the_panel_is_shown_left_and_shown_again(module):
    holder = module.widgetRepresentation()
    panel = holder.self().panel
    assert panel.widget.parent() is holder
    holder.enter()
    holder.exit()
    holder.enter()
    assert panel.ui.guidanceLabel.text


@pytest.mark.parametrize("style", ["light", "dark"])
def test_the_panel_fits_its_width_in_light_and_dark(style, request, tmp_path, grab):
    if style == "dark":
        request.getfixturevalue("dark_style")
    holder = request.getfixturevalue("module").widgetRepresentation()
    holder.enter()
    grab(holder, tmp_path / "panel.png")
    assert holder.minimumSizeHint.width() <= 360


def test_reloading_takes_the_library_as_it_is_now_and_lets_go_of_the_old_panel(module, scene, monkeypatch):
    holder = module.widgetRepresentation()
    widget = holder.self()
    old = widget.panel
    # Other tests hold on to the classes of the library as they were.
    kept = {name: part for name, part in sys.modules.items() if name.split(".")[0] == "SemiSupervisedSegLib"}
    cleaned = []
    original = old.cleanup
    monkeypatch.setattr(old, "cleanup", lambda: (cleaned.append(True), original()))
    try:
        widget.onReload()
        new = holder.self().panel
        assert cleaned == [True]
        assert type(new) is not type(old)
        assert type(new) is sys.modules["SemiSupervisedSegLib.panel.widget"].Panel
        scene.Clear(0)
        holder.enter()
        assert new.ui.guidanceLabel.text
    finally:
        sys.modules.update(kept)


def test_the_self_tests_pass(module, packaging):
    slicer.selfTests["SemiSupervisedSeg"]()


def test_the_self_tests_skip_loudly_without_torch(module, packaging, capfd):
    packaging.missing = {"torch"}
    slicer.selfTests["SemiSupervisedSeg"]()
    assert "NOT TESTED, training: torch" in capfd.readouterr().err
