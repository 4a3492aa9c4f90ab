"""Plans for tests that need one without a study."""

from __future__ import annotations

from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality


def plan_2d(**changes: object) -> Plan:
    """Return a plan of MR slices; `changes` replace single values."""
    values = {
        "dimensions": 2,
        "slice_axis": 0,
        "spacing": (None, 1.0, 1.0),
        "patch": (32, 32),
        "normalization": Normalization(Modality.MR),
        "num_classes": 3,
        "network": NetworkSpec("unet_2d"),
    }
    return Plan(**{**values, **changes})


def plan_3d(**changes: object) -> Plan:
    """Return a plan of MR volumes; `changes` replace single values."""
    values = {"dimensions": 3, "spacing": (8.0, 1.0, 1.0), "patch": (16, 32, 32), "network": NetworkSpec("v_net")}
    return plan_2d(**{**values, **changes})
