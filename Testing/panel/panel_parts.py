"""Sections of the panel one by one, each with what the panel would give it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

from SemiSupervisedSegLib.panel.run.runner import Runner
from SemiSupervisedSegLib.panel.scene.case_scene import CaseScene
from SemiSupervisedSegLib.panel.sections.editing import EditingPane
from SemiSupervisedSegLib.panel.sections.section import PanelContext
from SemiSupervisedSegLib.panel.services import Services
from SemiSupervisedSegLib.panel.session import Session

UI = Path(__file__).resolve().parents[2] / "SemiSupervisedSeg" / "Resources" / "UI"


def load(name: str) -> Any:
    """The root widget of a .ui file of the module."""
    return slicer.util.loadUI(str(UI / f"{name}.ui"))


def makeContext(services: Services, session: Session | None = None, scene: Any = None) -> PanelContext:
    """What sections work with; `scene` stands for the CaseScene."""
    root = load("SemiSupervisedSeg")
    pane = EditingPane(slicer.util.childWidgetVariables(root))
    # Qt would delete the widgets of a pane with their root.
    pane.root = root
    return PanelContext(session or Session(), scene or CaseScene(), services, Runner(services), pane)
