"""A study of 500 labeled and 1,500 unlabeled cases: the panel opens, its tables can be used, and a plan is made."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import qt

from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.planning.fingerprint import fingerprint
from SemiSupervisedSegLib.planning.round_plan import plan_round
from SemiSupervisedSegLib.study.model import Case, Modality, Role, Study
from SemiSupervisedSegLib.study.store import create_study, save_study

from .studies import AWAY, HOME, STRUCTURES, write_annotation, write_volume

LABELED, UNLABELED = 500, 1500


@pytest.fixture
def large(tmp_path: Path) -> Study:
    """Files that are one image and one annotation under many names."""
    study = create_study(tmp_path / "study", "Many", Modality.MR, HOME, STRUCTURES)
    image, annotation = write_volume(tmp_path / "image.nrrd"), write_annotation(tmp_path / "image.seg.nrrd")
    for folder in (study.layout.images, study.layout.annotations):
        folder.mkdir(exist_ok=True)
    cases = []
    for number in range(LABELED + UNLABELED):
        name, isLabeled = f"patient{number:04d}", number < LABELED
        os.link(image, study.layout.images / f"{name}.nrrd")
        if isLabeled:
            os.link(annotation, study.layout.annotations / f"{name}.seg.nrrd")
        role = Role.LABELED if isLabeled else Role.UNLABELED
        place = f"annotations/{name}.seg.nrrd" if isLabeled else None
        cases.append(Case(name, f"images/{name}.nrrd", AWAY if number % 2 else HOME, role, place))
    study = dataclasses.replace(study, cases=tuple(cases))
    save_study(study)
    return study


class Stopwatch:
    """Prints what each part of the test took; nothing is decided by it."""

    def __init__(self) -> None:
        self._memory, self._clock = psutil.Process().memory_info().rss, time.perf_counter()

    def lap(self, name: str) -> None:
        grown = psutil.Process().memory_info().rss - self._memory
        print(f"{time.perf_counter() - self._clock:6.2f} s to {name}, {grown / 1e6:.0f} MB in all")
        self._clock = time.perf_counter()


@pytest.mark.slow
def test_a_large_study_is_opened_sorted_changed_and_planned(
    large: Study, makePanel: Callable[[], Any], spin: Callable[..., None]
) -> None:
    panel, watch = makePanel(), Stopwatch()
    use_tables(large, panel, spin, watch)
    panel.session.show("patient0499")
    assert panel.scene.nodes.annotation is not None
    assert "GB of memory" in panel.sections["Train"].ui.estimateLabel.text
    watch.lap("show a case")
    spec = make_training_spec(large, "self_training", "quick", {}, device="cpu")
    watch.lap("make a job")
    measured = fingerprint(spec.cases, spec.structures, lambda done, total: None)
    plan = plan_round(measured, Modality.MR, 3, "self_training", "quick", {}).plan
    assert (len(measured.cases), plan.num_classes) == (LABELED + UNLABELED, 3)
    watch.lap("plan")


def use_tables(large: Study, panel: Any, spin: Callable[..., None], watch: Stopwatch) -> None:
    last = large.image_path(large.cases[-1])
    last.rename(last.with_suffix(".away"))
    panel.session.open_study(large.folder)
    cases = panel.sections["Cases"]
    assert cases.model.rowCount() == LABELED + UNLABELED
    watch.lap("open")
    spin(lambda: cases.model.data(cases.model.index(LABELED + UNLABELED - 1, 5)) == "missing", timeout=60)
    last.with_suffix(".away").rename(last)
    watch.lap("look at all files")
    for column in range(4):
        cases.ui.casesTable.sortByColumn(column, qt.Qt.DescendingOrder)
    cases.ui.filterEdit.text = "patient04"
    assert cases.model.rowCount() == 100
    cases.ui.filterEdit.text = ""
    watch.lap("sort and filter")
    cases.table.select([case.id for case in large.cases[LABELED:]])
    cases.ui.roleBox.setCurrentIndex(cases.ui.roleBox.findData("ignored"))
    cases.ui.setRoleButton.click()
    assert len(panel.session.study.cases_of(Role.IGNORED)) == UNLABELED
    watch.lap("change a role 1,500 times")
