from __future__ import annotations

from pathlib import Path

from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.panel.sections.round_names import roundTitle


def test_a_round_that_applied_a_model_is_named_in_words() -> None:
    assert roundTitle(JobFolder(Path("rounds/003-predict"))) == "003, a model applied"
    assert roundTitle(JobFolder(Path("rounds/002-self_training"))) == "002-self_training"
