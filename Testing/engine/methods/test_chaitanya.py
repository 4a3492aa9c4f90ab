"""Chaitanya et al. against its formulas in float64, what each stage trains, and the checks of every method."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.methods.method import TrainingStep

from .. import reference
from ..reference import array
from .checks import EVERYTHING, MethodChecks, trained_parts
from .toys import SHAPES, SIZES, Recorder, in_float64, toy_batch, toy_labels, toy_method, values

STAGES = ("encoder", "decoder", "segmentation")
STEPS = {name: TrainingStep(500, 1000, name) for name in STAGES}


class TestChaitanya(MethodChecks):
    method, variants, stages = "chaitanya", {"paper": {}}, STAGES
    trained: ClassVar[dict[str, set[str]]] = {
        "global_contrast": {"encoder"},
        "local_contrast": {"decoder to half resolution"},
        "supervised": EVERYTHING,
    }

    def batch(self, labels):
        """Intensities rise from left to right in one part of the body, and fall in another."""
        batch = super().batch(labels)
        return replace(batch, labeled=moved(batch.labeled, 0.1), unlabeled=moved(batch.unlabeled, 0.9))

    def make_optimizer(self, method):
        return torch.optim.Adam(method.parameters(), lr=0.005)

    def test_one_batch_is_learned_by_heart(self):
        """Each stage has a loss of its own, which the one before does not lower, and views that vary."""
        method = self.build("paper", 2, 4)
        batch = self.batch(toy_labels(2, SIZES[2], 4))
        for stage in STAGES:
            course = [loss for _ in range(2) for loss in self.overfit(method, batch, stage)]
            assert np.median(course[-9:]) < 0.6 * np.median(course[:3]), course


def moved(stream, place):
    """The images of a stream, all from one place of their cases."""
    return replace(stream, extents=torch.full_like(stream.extents, place))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def pair_loss(anchor, partner, others):
    """-log(e^s / (e^s + sum of the others)), cosines over a temperature of 0.1."""
    own, against = np.exp(unit(anchor) @ unit(partner) / 0.1), np.exp(unit(others) @ unit(anchor) / 0.1)
    return -np.log(own / (own + against.sum()))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_slices_of_one_partition_are_alike(dimensions):
    method, batch = in_float64(toy_method("chaitanya", dimensions), toy_batch(dimensions, count=4))
    vectors = []
    method.slice_head.register_forward_hook(lambda _, inputs, output: vectors.append(array(output)))
    losses = values(method.losses(batch, STEPS["encoder"]))
    (found,) = vectors
    # Four images of both streams, from one quarter of their case each; four slices in the last map of a volume.
    quarter = [1, 2, 3, 3] if dimensions == 2 else np.repeat([0, 1, 2, 3], 4)
    partitions = np.tile(quarter, 4)
    assert len(found) == len(partitions)
    terms = [
        pair_loss(found[i], found[j], found[partitions != partitions[i]])
        for i in range(len(found))
        for j in range(len(found))
        if i != j and partitions[i] == partitions[j]
    ]
    assert losses == {"global_contrast": pytest.approx(np.mean(terms), abs=1e-10)}


def corners(size):
    """Where the 13 regions of a map begin: a grid of three by three, and four between."""
    last = [side - 4 for side in size]
    shares = [(i / 2, j / 2) for i in range(3) for j in range(3)] + [(i / 4, j / 4) for i in (1, 3) for j in (1, 3)]
    return shares, [tuple(int(share * side) for share, side in zip(place, last, strict=True)) for place in shares]


def test_a_region_is_the_same_in_both_views_and_not_what_lies_next_to_it():
    method, batch = in_float64(toy_method("chaitanya"), toy_batch())
    maps, recorder = [], Recorder(method)
    method.region_head.embedding.register_forward_hook(lambda _, inputs, output: maps.append((inputs[0], output)))
    losses = values(method.losses(batch, STEPS["decoder"]))
    assert not recorder.student, "decoder maps are enough"
    ((features, embedded),) = maps
    assert features.shape == (8, 16, 16, 12)
    shares, begins = corners(embedded.shape[2:])
    weight = array(method.region_head.projection.weight)
    vectors = np.array(
        [[weight @ image[:, r : r + 3, c : c + 3].ravel() for r, c in begins] for image in array(embedded)]
    )
    terms = []
    for image in range(4):
        for first, second in ((vectors[image], vectors[image + 4]), (vectors[image + 4], vectors[image])):
            for index, place in enumerate(shares):
                order = sorted(range(13), key=lambda other, place=place: np.hypot(*np.subtract(place, shares[other])))
                near = order[1:6]
                assert index not in near
                terms.append(pair_loss(first[index], second[index], np.concatenate([first[near], second[near]])))
    assert losses == {"local_contrast": pytest.approx(np.mean(terms), abs=1e-10)}


@pytest.mark.parametrize("shape", SHAPES)
def test_annotations_are_learned_by_the_dice_of_all_classes(shape):
    method, batch = in_float64(toy_method("chaitanya", *shape), toy_batch(*shape))
    recorder = Recorder(method)
    losses = values(method.losses(batch, STEPS["segmentation"]))
    ((images, output),) = recorder.student
    assert torch.equal(images, batch.labeled.images)
    p, q = reference.softmax(array(output.logits)), reference.indicators(batch.labeled.labels.numpy(), shape[1])
    space = tuple(range(2, p.ndim))
    dice = (2 * (p * q).sum(axis=space) + 1e-5) / (p.sum(axis=space) + q.sum(axis=space) + 1e-5)
    assert losses == {"supervised": pytest.approx(1 - dice.mean(), abs=1e-6)}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_heads_learn_in_their_stage_and_the_encoder_is_frozen_in_the_second(dimensions):
    method, batch = toy_method("chaitanya", dimensions), toy_batch(dimensions)
    heads = {"encoder": method.slice_head, "decoder": method.region_head}
    for stage, head in heads.items():
        (loss,) = method.losses(batch, STEPS[stage]).values()
        assert trained_parts(method, loss.value) == {"encoder" if stage == "encoder" else "decoder to half resolution"}
        for each in heads.values():
            reached = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in each.parameters()]
            assert all(reached) if each is head else not any(reached)


def test_slices_of_one_partition_alone_teach_nothing():
    method, batch = toy_method("chaitanya"), toy_batch()
    batch = replace(batch, labeled=moved(batch.labeled, 0.1), unlabeled=moved(batch.unlabeled, 0.2))
    loss = method.losses(batch, STEPS["encoder"])["global_contrast"].value
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.isfinite().all() for parameter in method.student.encoder.parameters())


def test_patches_that_exceed_their_case_belong_to_its_first_and_last_partition():
    method, batch = toy_method("chaitanya"), toy_batch(count=3)
    extents = torch.tensor([-0.3, 0.999, 1.2]).unsqueeze(1).repeat(1, 2)
    _, partitions = method.slices(batch.labeled.images, extents)
    assert partitions.tolist() == [0, 3, 3] * 2


def test_stages_have_10000_steps_each_as_published():
    method = toy_method("chaitanya")
    assert [round(stage.share * method.settings["steps"]) for stage in method.stages()] == [10000] * 3
    assert all(loss.weight == 1 for step in STEPS.values() for loss in method.losses(toy_batch(), step).values())
