from __future__ import annotations

from SemiSupervisedSegLib.panel.logic.round_names import round_title


def test_a_round_that_applied_a_model_is_named_in_words() -> None:
    assert round_title("003-predict") == "003 (model applied)"
    assert round_title("002-self_training") == "002-self_training"
