"""The user deletes nodes of the shown case while its previews come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import slicer

from .builders import classes_of, mask_of, write_prediction


@pytest.mark.parametrize("deleted", [("volume",), ("final",), ("volume", "final", "prototype", "annotation")])
def test_previews_go_on_and_the_case_can_be_shown_again(
    case_scene: Any, study: Any, tmp_path: Path, deleted: tuple[str, ...]
) -> None:
    case = study.cases[0]
    case_scene.showCase(study, case)
    files = write_prediction(study, case, tmp_path / "previews", 1, 2)
    previews = {kind: files[kind] for kind in ("final", "prototype")}
    case_scene.refreshPredictions(previews, 200)
    for name in deleted:
        slicer.mrmlScene.RemoveNode(getattr(case_scene.nodes, name))
    case_scene.refreshPredictions(previews, 400)
    assert case_scene.nodes.volume is None or "volume" not in deleted
    nodes = case_scene.showCase(study, case)
    assert None not in (nodes.volume, nodes.annotation)
    assert not case_scene.hasUnsavedAnnotation()
    case_scene.refreshPredictions(previews, 600)
    assert case_scene.nodes.final.GetName().endswith("(step 600)")
    for structure in study.structures:
        expected = classes_of(study, case) == structure.label
        assert (mask_of(nodes.annotation, structure.name, nodes.volume) == expected).all()
