"""The perturbation that changes a prediction most, and how the change is measured."""

from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.losses.smoothness import (
    adversarial_perturbation,
    dice_discrepancy,
    kl_discrepancy,
    unit_length,
)


@pytest.mark.parametrize("discrepancy", [dice_discrepancy, kl_discrepancy])
def test_adversarial_perturbation_has_its_length_and_leaves_the_parameters_alone(discrepancy):
    torch.manual_seed(1)
    network = torch.nn.Conv2d(1, 3, 3, padding=1)
    images = torch.randn(3, 1, 8, 8)
    clean = network(images).softmax(dim=1).detach()
    found = adversarial_perturbation(network, images, clean, discrepancy, trial=1.0, radius=2.5)
    assert found.flatten(1).norm(dim=1).tolist() == pytest.approx([2.5] * 3, rel=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not found.requires_grad

    def change(direction):
        return discrepancy(clean, network(images + 0.1 * unit_length(direction))).item()

    assert change(found) > max(change(torch.randn_like(images)) for _ in range(10))


def test_a_prediction_that_never_changes_is_not_perturbed():
    images = torch.randn(2, 1, 4, 4)
    found = adversarial_perturbation(
        lambda x: torch.zeros(2, 3, 4, 4) + 0 * x,
        images,
        torch.full((2, 3, 4, 4), 1 / 3),
        kl_discrepancy,
        trial=1,
        radius=5,
    )
    assert found.abs().max() == 0


def test_directions_of_tiny_gradients_are_still_of_length_one():
    assert unit_length(torch.full((1, 1, 4, 4), 1e-30)).flatten(1).norm(dim=1).item() == pytest.approx(1.0)
