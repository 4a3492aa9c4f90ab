"""Randomness without a state: what is drawn depends on the seed, a name and a position only.

A job that resumes at step t draws what it would have drawn without the interruption, and has nothing to save for it.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch


def generator_at(seed: int, name: str, position: int) -> np.random.Generator:
    """Return the generator of one position, such as a step, in the sequence called `name`."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), position])


def torch_generator_at(seed: int, name: str, position: int) -> torch.Generator:
    """Return the torch generator of one position, on the CPU: numbers drawn there never make a device wait."""
    return torch.Generator().manual_seed(int(generator_at(seed, name, position).integers(2**63)))


class EndlessShuffle:
    """The numbers 0 to count - 1 in endless shuffled passes, none repeated within a pass.

    Args:
        count: Number of numbers.
        seed: Seed of the job.
        name: Name of the sequence.
    """

    def __init__(self, count: int, seed: int, name: str) -> None:
        self._count = count
        self._seed = seed
        self._name = name
        self._passes: dict[int, np.ndarray] = {}

    def __getitem__(self, position: int) -> int:
        """Return the number at a position of the sequence, counted from 0."""
        number, place = divmod(position, self._count)
        if number not in self._passes:
            # A batch may reach from one pass into the next, and never further back.
            self._passes = {key: value for key, value in self._passes.items() if key == number - 1}
            self._passes[number] = generator_at(self._seed, self._name, number).permutation(self._count)
        return int(self._passes[number][place])
