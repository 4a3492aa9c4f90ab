"""The ablations of the papers, and the weights of the losses."""

from __future__ import annotations

import math

import pytest

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .toys import METHODS, toy_batch, toy_method

CPCL = {
    "MT": ((False, False, True), {"consistency"}),
    "F-PCL": ((True, False, False), {"forward_prototype"}),
    "B-PCL": ((False, True, False), {"backward_prototype"}),
    "MT-F-PCL": ((True, False, True), {"forward_prototype", "consistency"}),
    "MT-B-PCL": ((False, True, True), {"backward_prototype", "consistency"}),
    "MT-C-PCL": ((True, True, True), {"forward_prototype", "backward_prototype", "consistency"}),
    "CPCL": ((True, True, False), {"forward_prototype", "backward_prototype"}),
}
ALL_OF_CU2L = {
    "supervised",
    "pseudo_label",
    "confident_share",
    "unlabeled_to_labeled",
    "category",
    "stability",
}
CU2L = {
    "CU2L": ((), set()),
    "CU2L-1": (("use_pseudo_labels",), {"pseudo_label", "confident_share"}),
    "CU2L-2": (("use_unlabeled_to_labeled", "use_category_regularization"), {"unlabeled_to_labeled", "category"}),
    "CU2L-3": (("use_category_regularization",), {"category"}),
    "CU2L-4": (("use_stability",), {"stability"}),
}
RAMP = [(0, math.exp(-5)), (500, math.exp(-1.25)), (1000, 1.0)]


def weights(variant, step, **settings):
    losses = toy_method(variant, **settings).losses(toy_batch(), TrainingStep(step, 1000))
    return {name: loss.weight for name, loss in losses.items()}


@pytest.mark.parametrize("ablation", CPCL)
def test_ablations_of_cpcl(ablation):
    (forward, backward, mean_teacher), names = CPCL[ablation]
    method = toy_method("cpcl", use_forward=forward, use_backward=backward, use_mean_teacher=mean_teacher)
    assert set(method.losses(toy_batch(), TrainingStep(0, 10))) == {"supervised", *names}


@pytest.mark.parametrize("ablation", CU2L)
def test_ablations_of_cu2l(ablation):
    off, missing = CU2L[ablation]
    method = toy_method("cu2l", **dict.fromkeys(off, False))
    assert set(method.losses(toy_batch(), TrainingStep(0, 10))) == ALL_OF_CU2L - missing


@pytest.mark.parametrize(("step", "ramp"), RAMP)
def test_weights_of_cpcl(step, ramp):
    assert weights("cpcl_with_mean_teacher", step) == pytest.approx(
        {
            "supervised": 1.0,
            "forward_prototype": 0.1 * ramp,
            "backward_prototype": 10 * 0.1 * ramp,
            "consistency": 0.1 * ramp,
        }
    )


@pytest.mark.parametrize(("step", "ramp"), RAMP)
def test_weights_of_cu2l(step, ramp):
    ramped = dict.fromkeys(ALL_OF_CU2L, 0.1 * ramp)
    assert weights("cu2l", step) == pytest.approx(ramped | {"supervised": 1.0, "confident_share": 0.0})


def test_weights_of_released_cpcl_follow_blocks_of_150():
    method = toy_method("cpcl_released")
    losses = method.losses(toy_batch(), TrainingStep(3149, 10000))
    weight = 0.1 * math.exp(-5 * 0.5**2)
    assert {name: loss.weight for name, loss in losses.items()} == pytest.approx(
        {"supervised": 1.0, "consistency": weight, "forward_prototype": weight, "backward_prototype": 10 * weight}
    )


@pytest.mark.parametrize(("step", "weight"), [(299, 0.0), (300, 0.1 * math.exp(-5 * 0.7**2)), (1000, 0.1)])
def test_mean_teacher_can_wait_before_it_follows_the_teacher(step, weight):
    assert weights("mean_teacher", step, consistency_start=300)["consistency"] == pytest.approx(weight)


@pytest.mark.parametrize("variant", [variant for variant in METHODS if not variant.startswith(("bcp", "aua"))])
def test_the_published_form_is_one_stage(variant):
    (stage,) = toy_method(variant).stages()
    assert stage.share == 1.0
