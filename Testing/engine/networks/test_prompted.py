from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.networks.prompted import PromptedNetwork

from ..methods.toys import SIZES, toy_network

TASKS = ((1,), (2, 3), (1, 3))


def network(dimensions: int = 2, tasks=TASKS) -> PromptedNetwork:
    return PromptedNetwork(toy_network(dimensions, 4), 4, tasks).eval()


def images(dimensions: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 1, *SIZES[dimensions])


@pytest.mark.parametrize("dimensions", [2, 3])
@torch.no_grad()
def test_each_image_goes_through_layers_of_its_own(dimensions):
    """Equations 1 and 2 written out with numbers, one image and one voxel list at a time."""
    asked = network(dimensions)
    inputs = asked.encode(images(dimensions))
    prompts = torch.tensor([2, 0, 3])
    answers = asked.head(inputs, prompts)
    weight, bias = (p.double().numpy() for p in (asked.head.controller.weight, asked.head.controller.bias))
    for image, prompt in enumerate(prompts.tolist()):
        vector = np.concatenate([inputs.embedding[image].double().numpy(), np.eye(4)[prompt]])
        numbers = iter(weight @ vector + bias)
        maps = inputs.reduced[image].flatten(1).double().numpy()
        for layer, (before, after) in enumerate([(8, 8), (8, 8), (8, 3)]):
            kernel = np.array([next(numbers) for _ in range(before * after)]).reshape(after, before)
            maps = kernel @ maps + np.array([next(numbers) for _ in range(after)])[:, None]
            maps = np.maximum(maps, 0) if layer < 2 else maps
        assert next(numbers, None) is None
        np.testing.assert_allclose(answers[image].flatten(1).numpy(), maps, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_task_answers_with_its_own_structures_only():
    asked = network()
    inputs = asked.encode(images(2))
    probabilities = asked.decode(inputs, torch.tensor([0, 1, 3])).softmax(dim=1)
    assert (probabilities[0, 2] == 0).all()
    assert (probabilities[1] > 0).all()
    assert (probabilities[2, 2] == 0).all(), "the synthetic task is binary"


def test_labels_become_channels_of_the_task():
    labels = torch.tensor([[0, 1, 0], [0, 2, 3], [0, 1, 3]])
    expected = torch.tensor([[0, 1, 0], [0, 1, 2], [0, 1, 2]])
    assert torch.equal(network().local_labels(labels, torch.tensor([0, 1, 2])), expected)


@torch.no_grad()
def test_the_answers_of_all_tasks_are_merged_to_one_class_map():
    asked, shown = network(), images(2, 2)
    answers = [asked.decode_task(asked.encode(shown), index).softmax(dim=1).double().numpy() for index in range(3)]
    merged = np.stack(
        [
            np.min([answer[:, 0] for answer in answers], axis=0),
            np.maximum(answers[0][:, 1], answers[2][:, 1]),
            answers[1][:, 1],
            np.maximum(answers[1][:, 2], answers[2][:, 2]),
        ],
        axis=1,
    )
    output = asked(shown)
    expected = merged / merged.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(output.logits.softmax(dim=1).numpy(), expected, rtol=1e-4, atol=1e-6)
    assert output.decoder_full.shape == (2, 8, *SIZES[2])
    assert output.bottleneck.shape[1] == 24


@torch.no_grad()
def test_asked_about_some_classes_it_answers_for_their_tasks_only():
    asked, shown = network(tasks=((1,), (2,), (3,))), images(2, 2)
    found = asked.for_classes((1, 3))(shown).logits.softmax(dim=1)
    assert found[:, 2].max() < 1e-6
    alone = asked.for_classes((3,))(shown).logits.softmax(dim=1)
    torch.testing.assert_close(
        alone[:, [0, 3]], asked.decode_task(asked.encode(shown), 2).softmax(dim=1), rtol=1e-4, atol=1e-6
    )


@torch.no_grad()
def test_asked_about_a_class_of_no_task_it_answers_for_all():
    asked, shown = network(tasks=((1,), (2,))), images(2, 2)
    torch.testing.assert_close(asked.for_classes((3,))(shown).logits, asked(shown).logits)


@torch.no_grad()
def test_binary_tasks_are_thresholded_at_a_half():
    """As the authors segment: a structure is where its prompt says more than 0.5, the surest one where several do."""
    asked, shown = network(tasks=((1,), (2,), (3,))), images(2, 2)
    answers = torch.randn(3, 2, 2, *SIZES[2])
    asked.decode_task = lambda _, index: answers[index]
    sure = answers.softmax(dim=2)[:, :, 1]
    expected = torch.where(sure.amax(dim=0) > 0.5, 1 + sure.argmax(dim=0), 0)
    found = asked(shown).logits.argmax(dim=1)
    assert torch.equal(found, expected)
    assert found.unique().tolist() == [0, 1, 2, 3]


@torch.no_grad()
def test_a_single_task_answers_as_without_merging():
    asked, shown = network(tasks=((1, 2, 3),)), images(2)
    alone = asked.decode_task(asked.encode(shown), 0).softmax(dim=1)
    torch.testing.assert_close(asked(shown).logits.softmax(dim=1), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "tasks", "classes", "parameters"),
    [("v_net_instance", ((1,), (2,), (3,), (4,)), 5, 9_486_356), ("unet_2d", ((1, 2), (3,)), 4, None)],
)
def test_the_factory_builds_it(name, tasks, classes, parameters):
    built = build_network(name, 1, classes, tasks=tasks)
    assert built.tasks == tasks
    count = sum(p.numel() for p in built.parameters())
    assert parameters is None or count == parameters
    again = build_network(name, 1, classes, tasks=tasks)
    again.load_state_dict(built.state_dict())


def test_the_controller_makes_as_many_weights_as_published():
    """256 + 5 inputs; 162 weights for two layers 8 to 8 and one 8 to 2 (released: 180 with a second one)."""
    controller = build_network("v_net_instance", 1, 5, tasks=((1,), (2,), (3,), (4,))).head.controller
    assert controller.weight.shape == (162, 261)
