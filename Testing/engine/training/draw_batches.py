"""Draw batches of cached cases, print the peak memory of this process in MB: draw_batches.py FOLDER CASES STEPS."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from SemiSupervisedSegLib.engine.data.batches import BatchSource
from SemiSupervisedSegLib.planning.cached_case import CachedCase
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality, Role

SHAPE = (8, 128, 256)
SETTINGS = {"labeled_batch": 2, "unlabeled_batch": 2, "cache_budget_mb": 16, "foreground_share": 0.5}


def write_case(folder: Path, number: int) -> CachedCase:
    """Write one case of a MB, every fourth of them labeled."""
    role = Role.UNLABELED if number % 4 else Role.LABELED
    place = folder / str(number)
    place.mkdir()
    arrays = {"image": np.full(SHAPE, number, np.float32)}
    if role is Role.LABELED:
        arrays |= {"labels": np.zeros(SHAPE, np.uint8), "foreground": np.empty((0, 4), np.int32)}
    for name, array in arrays.items():
        np.save(place / f"{name}.npy", array)
    nbytes = sum(array.nbytes for array in arrays.values())
    return CachedCase(str(number), "here", False, role, place, SHAPE, role is Role.LABELED, 0.0, nbytes)


def main(folder: Path, count: int, steps: int) -> None:
    """Draw, and print."""
    torch.set_num_threads(1)
    cases = [write_case(folder, number) for number in range(count)]
    plan = Plan(2, 0, (None, 1.0, 1.0), (64, 64), Normalization(Modality.MR), 2, NetworkSpec("unet_2d"))
    batches = BatchSource(cases, frozenset({"labeled", "unlabeled"}), plan, SETTINGS, 0, torch.device("cpu"))
    seen = set()
    for step in range(steps):
        batches.prepare(step)
        seen.update(batches(step).unlabeled.images.amax(dim=(1, 2, 3)).round().int().tolist())
    batches.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
