from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.planning.fingerprint import CaseFingerprint, Fingerprint
from SemiSupervisedSegLib.planning.plan import Plan, make_plan
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Modality


def plan_of(**settings: str) -> Plan:
    case = CaseFingerprint("a", (40, 64, 64), (1.0, 1.0, 1.0))
    return make_plan(Fingerprint((case,), None), Modality.MR, 2, settings)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_network_of_the_catalogue_can_be_built_or_is_refused_in_words(dimensions):
    for choice in load_catalogue().method("supervised").setting("network").choices:
        if (choice == "unet_2d") == (dimensions == 2) or choice in ("auto", "monai_basic_unet"):
            network = build_network(plan_of(dimension=f"{dimensions}d", network=choice).network, 1, 2)
            assert network(torch.zeros(2, 1, *[32] * dimensions)).logits.dim() == dimensions + 2
        else:
            with pytest.raises(UserError, match=f"does not work in {dimensions}D"):
                plan_of(dimension=f"{dimensions}d", network=choice)
