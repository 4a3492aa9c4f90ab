"""Which class stands behind each method id of the catalogue."""

from __future__ import annotations

from .cpcl import CPCL
from .cpcl_released import ReleasedCPCL
from .cu2l import CU2L
from .mean_teacher import MeanTeacherMethod
from .method import Method, MethodContext
from .supervised import Supervised

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacherMethod,
    "cpcl": CPCL,
    "cu2l": CU2L,
}

RELEASED_CODE: dict[str, type[Method]] = {"cpcl": ReleasedCPCL}
"""Methods whose released code trains by other rules than settings can express."""


def build_method(method_id: str, context: MethodContext) -> Method:
    """Build a method of the catalogue with fresh networks."""
    if context.settings["fidelity"] == "released_code" and method_id in RELEASED_CODE:
        return RELEASED_CODE[method_id](context)
    return METHODS[method_id](context)
