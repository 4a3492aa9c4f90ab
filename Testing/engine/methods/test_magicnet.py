"""MagicNet against its formulas in float64, the way of the cubes, and the checks of every method."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep
from SemiSupervisedSegLib.engine.methods.parts.cubes import CubeGrid

from .. import reference
from ..reference import array
from .checks import ENCODER, EVERYTHING, TeacherStudentChecks, spread_predictions
from .toys import MIDDLE, SHAPES, SIZES, Recorder, in_float64, toy_batch, toy_method, values, weights

RELEASED = {"fidelity": "released_code"}
TRAINED = dict.fromkeys(("supervised", "cross", "within", "pseudo"), EVERYTHING) | {"location": ENCODER}


class TestMagicNet(TeacherStudentChecks):
    method, variants, trained = "magicnet", {"paper": {}, "released_code": RELEASED}, TRAINED


def without_batch_statistics(method):
    """Let batch normalisation work as in evaluation, so that each image can be computed alone."""
    for module in method.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return method


def boxes(size):
    """The cubes of the toy patches: three in a row where a side of 8 or 12 fits, with first and last owned voxel."""
    rows = []
    for length in size:
        side = 12 if length == 32 else 8
        starts = [min(place * side, length - side) for place in range(math.ceil(length / side))]
        rows.append([(start, start + side, after) for start, after in zip(starts, [*starts[1:], length], strict=True)])
    return rows


def dice(logits, labels):
    return reference.dice(reference.softmax(logits), reference.indicators(labels, logits.shape[1]))


def seen_in_cubes(student, image):
    """The maps of the last decoder stage of one image, cube by cube, and the bottleneck of each cube."""
    places = torch.cartesian_prod(*[torch.arange(len(row)) for row in boxes(image.shape[1:])]).tolist()
    full, bottlenecks = None, []
    for place in places:
        chosen = [row[index] for row, index in zip(boxes(image.shape[1:]), place, strict=True)]
        output = student(image[(None, slice(None), *[slice(low, high) for low, high, _ in chosen])])
        bottlenecks.append(output.bottleneck)
        full = output.decoder_full.new_zeros(output.decoder_full.shape[1], *image.shape[1:]) if full is None else full
        owned = [slice(low, after) for low, _, after in chosen]
        full[(slice(None), *owned)] = output.decoder_full[
            (0, slice(None), *[slice(0, after - low) for low, _, after in chosen])
        ]
    return full, torch.cat(bottlenecks)


@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape):
    method, batch = in_float64(toy_method("magicnet", *shape), toy_batch(*shape))
    without_batch_statistics(method)
    spread_predictions(method, batch.unlabeled.images)
    method.frequencies.copy_(torch.arange(10.0, 10.0 + shape[1]))
    shares = array(method.frequencies) / (9.0 + shape[1])
    recorder = Recorder(method)
    torch.manual_seed(4)
    losses = values(method.losses(batch, MIDDLE))
    labels, images = batch.labeled.labels.numpy(), torch.cat([batch.labeled.images, batch.unlabeled.images])
    (_, whole), (_, mixed) = recorder.student
    (_, teacher) = recorder.teacher[0]
    torch.manual_seed(4)
    order = torch.rand(4, *[len(row) for row in boxes(SIZES[shape[0]])]).argsort(dim=0)
    features = torch.zeros_like(mixed.decoder_full)
    for image, *place in np.ndindex(*order.shape):
        rows = [row[index] for row, index in zip(boxes(SIZES[shape[0]]), place, strict=True)]
        owned = (slice(None), *[slice(low, after) for low, _, after in rows])
        features[(order[(image, *place)], *owned)] = mixed.decoder_full[(image, *owned)]
    recovered = array(method.student.head(features))
    cubes = [seen_in_cubes(method.student, image) for image in images]
    joined = array(method.student.head(torch.stack([full for full, _ in cubes])))
    entropies = []
    for _, bottlenecks in cubes:
        scores = array(method.location(bottlenecks))
        logs = reference.log_softmax(scores, axis=1)
        entropies += [-logs[place, place] for place in range(len(scores))]
    z = array(teacher.logits)
    w = shares[z.argmax(axis=1)][:, None]
    pseudo = ((1 - w) * z + w * joined[2:]).argmax(axis=1)
    assert (pseudo != z.argmax(axis=1)).any()
    assert losses == {
        "supervised": pytest.approx(reference.supervised(array(whole.logits), labels), abs=1e-10),
        "cross": pytest.approx(dice(recovered[:2], labels), abs=1e-10),
        "within": pytest.approx(dice(joined[:2], labels), abs=1e-10),
        "location": pytest.approx(np.mean(entropies), abs=1e-10),
        "pseudo": pytest.approx(dice(recovered[2:], pseudo), abs=1e-10),
    }


def test_mixtures_have_cubes_of_all_images_and_all_voxels_come_back():
    method, batch = toy_method("magicnet", 3, 2), toy_batch(3, 2)
    recorder = Recorder(method)
    method.losses(batch, MIDDLE)
    (whole, _), (mixed, _) = recorder.student
    images = torch.cat([batch.labeled.images, batch.unlabeled.images])
    assert torch.equal(whole, batch.labeled.images)
    assert torch.equal(mixed.sort(dim=0).values, images.sort(dim=0).values), "voxels stay at their places"
    sources = {int((mixed[0, 0, :8, :8, :8] == image[0, :8, :8, :8]).all()) for image in images}
    assert sources == {0, 1}
    assert not any(torch.equal(mixture, image) for mixture in mixed for image in images)


def test_the_released_order_returns_cubes_with_equal_first_and_last_place_only():
    grid, images = CubeGrid((24, 24, 24), (8, 8, 8)), torch.rand(2, 1, 24, 24, 24)
    method = toy_method("magicnet", 3, 2, **RELEASED)
    # A decoder that returns the finest map, so that cubes are told apart.
    method.student.decoder = method.student.head = torch.nn.Identity()
    joined = method.joined_logits([grid.cut(images)], grid)
    places = list(np.ndindex(3, 3, 3))
    at = {place: (..., *[slice(8 * index, 8 * index + 8) for index in place]) for place in places}
    assert all(torch.equal(joined[at[x, y, z]], images[at[z, y, x]]) for x, y, z in places)
    assert sum(torch.equal(joined[at[place]], images[at[place]]) for place in places) == 9


def test_frequencies_are_those_of_the_last_twenty_steps():
    method, batch = toy_method("magicnet", 2, 4), toy_batch(2, 4)
    counted = []
    pseudo_labels = method.pseudo_labels
    method.pseudo_labels = lambda *arguments: counted.append(pseudo_labels(*arguments)) or counted[-1]
    seen = []
    for index in range(42):
        method.losses(batch, TrainingStep(index, 1000))
        seen.append(method.frequencies.tolist())
    numbers = [np.bincount(classes.numpy().ravel(), minlength=4) for classes in counted]
    assert seen[0] == seen[19] == numbers[0].tolist()
    assert seen[20] == seen[39] == sum(numbers[1:21]).tolist()
    assert seen[40] == sum(numbers[21:41]).tolist()


def test_pseudo_labels_are_the_teachers_in_the_first_steps_and_while_there_are_no_frequencies():
    method, batch = toy_method("magicnet", 2, 4, noise_std=0.0), toy_batch(2, 4)
    images, opposed = batch.unlabeled.images, -50 * method.teacher(batch.unlabeled.images).logits
    expected = method.teacher(images).logits.argmax(dim=1)
    assert torch.equal(method.pseudo_labels(images, opposed, TrainingStep(500, 1000)), expected)
    method.frequencies.fill_(1.0)
    assert torch.equal(method.pseudo_labels(images, opposed, TrainingStep(100, 1000)), expected)
    blended = method.pseudo_labels(images, opposed, TrainingStep(101, 1000))
    assert torch.equal(blended, opposed.argmax(dim=1))


def test_the_weights():
    found = weights("magicnet", MIDDLE, ramp_steps=1000)
    ramp = 0.1 * math.exp(-5 * 0.5**2)
    parts = {"supervised": 0.5, "cross": 0.25, "within": 0.25, "location": 0.1}
    assert found == pytest.approx(parts | {"pseudo": ramp})
