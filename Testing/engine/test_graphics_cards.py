"""Graphics cards that this PyTorch cannot use are recognised, with the build to install."""

from __future__ import annotations

import re

import pytest
import torch

from SemiSupervisedSegLib.engine import device_probe, graphics_cards
from SemiSupervisedSegLib.engine.device import choose_device
from SemiSupervisedSegLib.engine.graphics_cards import build_for, check_version, has_kernels
from SemiSupervisedSegLib.study.errors import UserError


@pytest.mark.parametrize("version", ["2.9", "2.9.0", "2.9.1+cu128"])
def test_the_slow_version_is_refused(version: str) -> None:
    with pytest.raises(UserError, match=r"four times slower.*!=2\.9"):
        check_version(version)


@pytest.mark.parametrize("version", ["2.6.0", "2.8.0+cpu", "2.10.0", "2.13.0+cpu", "2.90.0"])
def test_other_versions_are_accepted(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize(
    ("capability", "architectures", "known"),
    [
        ((8, 6), ["sm_80", "sm_90"], True),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((10, 0), ["sm_100", "sm_120"], True),
        ((9, 0), ["sm_90a"], True),
        ((6, 1), ["sm_75", "compute_90"], False),
    ],
)
def test_kernels_for_a_card(capability: tuple[int, int], architectures: list[str], known: bool) -> None:
    assert has_kernels(capability, architectures) == known


@pytest.mark.parametrize(
    ("capability", "build"), [((12, 0), "12.8 or newer"), ((8, 6), "11.8 or newer"), ((6, 1), "12.6 or older")]
)
def test_the_build_to_install(capability: tuple[int, int], build: str) -> None:
    assert build_for(capability) == build


def test_a_build_for_processors_beside_a_card_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    for module in (graphics_cards, device_probe):
        monkeypatch.setattr(module, "has_graphics_card", lambda: True)
    with pytest.raises(UserError, match=r"build for processors only.*Install a CUDA build"):
        choose_device("cuda")
    *_, card = device_probe.devices()
    assert "build for processors only" in card["problem"] and card["name"] == "cuda"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UserError, match=r"driver does not work with CUDA 13\.0"):
        choose_device("cuda")


def test_without_a_card_the_probe_names_the_processor_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device_probe, "has_graphics_card", lambda: False)
    (processor,) = device_probe.devices()
    assert processor["name"] == "cpu" and processor["problem"] == "" and processor["speed"] > 0


def test_a_device_without_gradients_has_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(device: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available\nfor execution")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device_probe, "has_graphics_card", lambda: False)
    monkeypatch.setattr(device_probe, "_train_a_step", fail)
    assert device_probe.devices()[0]["problem"] == "CUDA error: no kernel image is available"


@pytest.fixture
def newest_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of a generation that this build of PyTorch was made before."""
    for name, answer in {
        "is_available": True,
        "device_count": 1,
        "get_device_capability": (12, 0),
        "get_device_name": "NVIDIA GeForce RTX 5090",
        "get_arch_list": ["sm_50", "sm_80", "sm_86", "sm_90"],
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *arguments, answer=answer: answer)


def test_a_card_too_new_for_this_pytorch_is_named_with_the_build_to_install(newest_card: None) -> None:
    words = r"no kernels for NVIDIA GeForce RTX 5090 \(compute capability 12\.0\)\. .* for CUDA 12\.8 or newer"
    for name in ("auto", "cuda", "cuda:0"):
        with pytest.raises(UserError, match=words):
            choose_device(name)
    card, processor = device_probe.devices()
    assert re.search(words, card["problem"]) and card["title"] == "NVIDIA GeForce RTX 5090"
    # One may train on the processor meanwhile.
    assert (processor["name"], processor["problem"]) == ("cpu", "")
