from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ...benchmarks.reliability.kill_and_resume import same_content
from ..methods.toys import METHODS, toy_method
from .families import Adversarial, ExtraDecoder, TwoStages, TwoStudents, build
from .toy_loop import Run, interrupted

STEPS = 4
FAMILIES = (TwoStages, Adversarial, TwoStudents, ExtraDecoder)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("variant", list(METHODS))
def test_a_method_goes_on_from_any_step_bit_by_bit(tmp_path: Path, variant: str) -> None:
    def make():
        # Ramps and decays are at work within few steps; the larger rate makes each of them matter.
        return toy_method(variant, steps=STEPS, learning_rate=0.05, consistency_weight=1.0)

    assert_resumes_anywhere(make, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_families_to_come_go_on_from_any_step_bit_by_bit(tmp_path: Path, family) -> None:
    assert_resumes_anywhere(lambda: build(family, steps=STEPS, learning_rate=0.05), tmp_path)


def assert_resumes_anywhere(make, folder: Path) -> None:
    torch.manual_seed(0)
    whole = Run(make())
    assert whole.go()
    for step in range(1, STEPS):
        torch.manual_seed(0)
        resumed = interrupted(make, step, folder)
        assert same_content(resumed.state(), whole.state()), f"different after a stop at step {step}"
        assert resumed.steps == list(range(step + 1, STEPS + 1))


def test_another_seed_gives_other_weights() -> None:
    """Else the comparison above would compare nothing random."""
    runs = []
    for seed in (1, 2):
        torch.manual_seed(0)
        runs.append(Run(toy_method("mean_teacher", steps=2), seed=seed))
        runs[-1].go()
    assert not same_content(runs[0].state(), runs[1].state())
