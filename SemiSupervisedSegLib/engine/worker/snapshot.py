"""The trained model as it is at one moment: the network that predicts, with its class prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...jobs.spec import JobSpec
from ...planning.cached_case import CachedCase
from ...study.model import Role
from ..device import Device
from ..inference.bundle import TrainedModel
from ..inference.class_prototypes import LabeledGrid, pool_class_prototypes
from ..methods.method import Method
from .prepare import Preparation


def labeled_cases(prepared: Preparation) -> list[CachedCase]:
    """Return the cases whose annotations are trained on."""
    return [case for case in prepared.cases if case.role is Role.LABELED]


def snapshot(
    spec: JobSpec, prepared: Preparation, method: Method, device: Device, labeled: Sequence[CachedCase]
) -> TrainedModel:
    """Return the method's network with prototypes pooled over some labeled cases, read one at a time."""
    network = method.inference_network()
    arrays = ((case, case.load()) for case in labeled)
    grids = (LabeledGrid(a.image, a.labels, case.annotated) for case, a in arrays if a.labels is not None)
    prototypes = pool_class_prototypes(
        network, grids, prepared.plan, method.prototype_level, device=device.torch, autocast=device.autocast()
    )
    return TrainedModel(
        network=network,
        plan=replace(prepared.plan, network=prepared.plan.network + method.network_suffix),
        structures=spec.structures,
        method=spec.method,
        prototypes=prototypes,
        level=method.prototype_level,
        training={
            "study": spec.study_name,
            "preset": spec.preset,
            "seed": spec.seed,
            "settings": prepared.settings,
            "versions": spec.versions,
        },
    )
