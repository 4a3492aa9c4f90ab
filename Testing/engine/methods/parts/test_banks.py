"""What is remembered of each class from step to step."""

from __future__ import annotations

import numpy as np
import torch

from SemiSupervisedSegLib.engine.losses.prototypes import Prototypes
from SemiSupervisedSegLib.engine.methods.parts.banks import FeatureMemory, FeatureRing, PrototypeBank

from ...reference import array


def test_bank_averages_with_decay_09_and_keeps_absent_classes():
    bank, expected = PrototypeBank(3, 4, 0.9), np.zeros((3, 4))
    seen = np.zeros(3, bool)
    presence = [[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    for valid in presence:
        vectors = torch.randn(3, 4) * torch.tensor(valid).unsqueeze(1)
        answer = bank.update(Prototypes(vectors, torch.tensor(valid, dtype=torch.bool)))
        for c in np.flatnonzero(valid):
            now = array(vectors[c])
            expected[c] = 0.9 * expected[c] + 0.1 * now if seen[c] else now
            seen[c] = True
        np.testing.assert_allclose(array(answer.vectors), expected, atol=1e-6)
        assert answer.valid.tolist() == seen.tolist()
    assert not seen[2]


def test_bank_answers_constants_that_later_updates_leave_alone():
    bank = PrototypeBank(2, 3, 0.9)
    vectors = torch.ones(2, 3, requires_grad=True)
    first = bank.update(Prototypes(vectors, torch.tensor([True, True])))
    bank.update(Prototypes(5 * vectors, torch.tensor([True, True])))
    assert not first.vectors.requires_grad
    assert first.vectors.unique().tolist() == [1]


def test_bank_is_part_of_the_state_that_is_saved():
    bank = PrototypeBank(2, 3, 0.9)
    bank.update(Prototypes(torch.rand(2, 3), torch.tensor([True, False])))
    other = PrototypeBank(2, 3, 0.9)
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.vectors, bank.vectors)
    assert other.valid.tolist() == [True, False]


def test_memory_keeps_what_it_has_when_a_class_is_absent():
    memory = FeatureMemory(2, 4, 3)
    first = torch.randn(6, 3)
    memory.keep(1, first, torch.arange(6.0), highest=True)
    memory.keep(1, torch.zeros(0, 3), torch.zeros(0), highest=True)
    assert torch.equal(memory.of(1), first[[5, 4, 3, 2]])
    assert len(memory.of(0)) == 0
    memory.keep(1, first[:1], torch.ones(1), highest=True)
    assert torch.equal(memory.of(1), first[:1])


def test_a_ring_keeps_the_latest_batches_of_each_class():
    ring = FeatureRing(num_classes=2, size=3, channels=2, batches=2)
    for value, count in ((1.0, 3), (2.0, 2), (3.0, 5)):
        ring.remember(1, torch.full((count, 2), value))
    ring.remember(1, torch.full((4, 2), float("nan")))
    ring.remember(0, torch.zeros(0, 2))
    assert ring.stored(1)[:, 0].tolist() == [3.0, 3.0, 3.0, 2.0, 2.0]
    assert len(ring.stored(0)) == 0
    samples = [ring.sample() for _ in range(20)]
    assert all(len(sample) == 3 for sample in samples)
    assert len({tuple(sample[:, 0].tolist()) for sample in samples}) > 1
