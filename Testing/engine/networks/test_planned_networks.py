from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.factory import BUILDERS, build_planned_network
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.planning.fingerprint import CaseFingerprint, Fingerprint
from SemiSupervisedSegLib.planning.make_plan import make_plan
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality


def plan_of(**settings: str) -> Plan:
    case = CaseFingerprint("a", (40, 64, 64), (1.0, 1.0, 1.0))
    return make_plan(Fingerprint((case,), None), Modality.MR, 2, settings)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_network_of_the_catalogue_can_be_built_or_is_refused_in_words(dimensions):
    for choice in load_catalogue().method("supervised").setting("network").choices:
        if (choice == "unet_2d") == (dimensions == 2) or choice in ("auto", "folded_unet", "monai_basic_unet"):
            network = build_planned_network(plan_of(dimension=f"{dimensions}d", network=choice))
            assert network(torch.zeros(2, 1, *[32] * dimensions)).logits.dim() == dimensions + 2
        else:
            with pytest.raises(UserError, match=f"does not work in {dimensions}D"):
                plan_of(dimension=f"{dimensions}d", network=choice)


def test_the_factory_and_the_catalogue_have_the_same_networks():
    networks = load_catalogue().networks.values()
    assert set(BUILDERS) == {entry.backbone(dimensions) for entry in networks for dimensions in entry.dimensions}


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("unet_2d", NetworkSpec("unet_2d")),
        ("v_net_embedded", NetworkSpec("v_net", embedded=True)),
        ("v_net_instance for tasks 1+2, 3", NetworkSpec("v_net_instance", tasks=((1, 2), (3,)))),
    ],
)
def test_plans_of_older_programs_name_their_network(name: str, spec: NetworkSpec):
    plan = replace(plan_of(dimension="3d"), num_classes=4, network=spec)
    assert Plan.from_dict(plan.to_dict() | {"network": name}) == Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize("tasks", ["", "0", "1, 4", "1+x", "1,2"])
def test_tasks_that_a_plan_cannot_have_are_refused_in_words(tasks: str):
    data = replace(plan_of(dimension="3d"), num_classes=4).to_dict()
    with pytest.raises(UserError, match="damaged"):
        Plan.from_dict(data | {"network": f"v_net for tasks {tasks}"})
