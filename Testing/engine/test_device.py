from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.study.errors import UserError


@pytest.mark.parametrize(
    ("instructions", "limit", "expected"),
    [
        ({"avx512_bf16": True}, "AVX512", torch.bfloat16),
        ({"amx_bf16": True}, "AVX512", torch.bfloat16),
        ({"avx512_bf16": True}, "AVX2", torch.float32),
        ({"avx2": True, "avx512_bf16": False}, "AVX2", torch.float32),
        ({"bf16": True}, "DEFAULT", torch.bfloat16),
        ({}, "DEFAULT", torch.float32),
    ],
)
def test_a_processor_computes_in_half_precision_where_it_has_instructions_for_it(
    monkeypatch, instructions, limit, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: limit)
    assert choose_device("cpu").dtype == expected
    assert choose_device("cpu", "float32").dtype == torch.float32


def test_what_a_processor_cannot_do_is_refused():
    with pytest.raises(UserError, match="float16"):
        choose_device("cpu", "float16")
