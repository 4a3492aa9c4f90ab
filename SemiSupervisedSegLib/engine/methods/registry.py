"""Which class stands behind each method id of the catalogue."""

from __future__ import annotations

from .aua import AUA
from .bcp import BidirectionalCopyPaste
from .cpcl import CPCL
from .cpcl_released import ReleasedCPCL
from .cps import CrossPseudoSupervision
from .cu2l import CU2L
from .dan import DeepAdversarialNetwork
from .mc_net import MutualConsistency
from .mean_teacher import MeanTeacherMethod
from .method import Method, MethodContext
from .ss_net import SSNet
from .supervised import Supervised
from .ua_mt import UncertaintyAwareMeanTeacher
from .unisemi import UniSeMi
from .unisemi_released import ReleasedUniSeMi
from .unisemi_shared import SharedAnatomyUniSeMi

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacherMethod,
    "cpcl": CPCL,
    "cu2l": CU2L,
    "aua": AUA,
    "bcp": BidirectionalCopyPaste,
    "cps": CrossPseudoSupervision,
    "dan": DeepAdversarialNetwork,
    "mc_net": MutualConsistency,
    "ss_net": SSNet,
    "ua_mt": UncertaintyAwareMeanTeacher,
    "unisemi": UniSeMi,
}

RELEASED_CODE: dict[str, type[Method]] = {"unisemi": ReleasedUniSeMi, "cpcl": ReleasedCPCL}
"""Methods whose released code trains by other rules than settings can express."""


def build_method(method_id: str, context: MethodContext) -> Method:
    """Build a method of the catalogue with fresh networks."""
    if context.settings["fidelity"] == "released_code" and method_id in RELEASED_CODE:
        return RELEASED_CODE[method_id](context)
    if method_id == "unisemi" and context.settings["shared_anatomy"] and len(context.tasks) > 1:
        return SharedAnatomyUniSeMi(context)
    return METHODS[method_id](context)
