"""The classifier of the prototype-based result, as settings choose it and as the model has it."""

from __future__ import annotations

import numpy as np
import pytest

from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.engine.inference.write import read_classes

from .every_method import PATCHES, SETTINGS, easy_study
from .rounds import EXIT_FINISHED, main, new_round


@pytest.mark.parametrize(
    ("kind", "levels"), [("cosine", ("bottleneck",)), ("gaussian", ("decoder_half", "decoder_full"))]
)
def test_a_method_with_cosine_prototypes_can_keep_its_own_form(tmp_path, kind, levels):
    study = easy_study(tmp_path / "study", 2, 2)
    steps = {"steps": 20, "dimension": "2d", "patch_size": PATCHES[2]}
    folder = new_round(study, "cpcl", {**SETTINGS, **steps, "prototype_classifier": kind})
    assert main(folder.path) == EXIT_FINISHED
    classifier = load_bundle(folder.model).classifier
    assert (classifier.kind, classifier.levels) == (kind, levels)
    assert classifier.valid.all()
    spec = folder.spec()
    path = folder.predictions / spec.cases[0].id / "prototype.seg.nrrd"
    assert np.unique(read_classes(path, spec.structures)).size > 1
