"""Train every method a few steps on a graphics card and on the processor, and continue one of its trainings there.

    python -m Testing.benchmarks.gpu.against_processor [--device cuda] [--methods ss_net] [--output FOLDER]

Both train in float32 on the same images, from the same weights and with the same random numbers (dropout is off), so
that the mean losses of the first ten steps agree to about a thousandth. Then a training is stopped in the middle and
continued from its checkpoint on the device: it should end with the same weights, bit by bit.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch

from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.engine.methods.method import Method, MethodContext
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.training.checkpoint import Checkpoint
from SemiSupervisedSegLib.engine.training.log import INTERVAL
from SemiSupervisedSegLib.engine.training.loop import Hooks, TrainingLoop
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue

from ..speed.method_costs import FEWER, random_batch
from ..speed.report import Report, parser
from .same_numbers import SameRandomNumbers, without_dropout

TOLERANCE = 0.01
"""Largest relative difference of a mean loss over the first ten steps; small losses count as one hundredth."""
SMALLEST_LOSS = 0.01
CLASSES = {2: 4, 3: 2}
SIDES = {2: 64, 3: 32}
NETWORKS = {2: "unet_2d", 3: "v_net"}


def build(method_id: str, dimensions: int, steps: int) -> Method:
    """Build a method as its paper has it, from the same weights each time and without dropout."""
    names = {setting.name for setting in load_catalogue().method(method_id).settings}
    wanted = {name: value for name, value in ({"steps": steps} | FEWER).items() if name in names}
    settings = load_catalogue().resolve(method_id, "paper", wanted, dimensions)
    torch.manual_seed(0)
    networks = partial(build_network, NETWORKS[dimensions], 1, CLASSES[dimensions])
    context = MethodContext(networks, CLASSES[dimensions], dimensions, settings)
    return without_dropout(build_method(method_id, context))


def make_loop(method: Method, dimensions: int, device: Device) -> TrainingLoop:
    """Return the training loop of a method on one batch of noise."""
    patch = (SIDES[dimensions],) * dimensions
    batch = random_batch(patch, 2, CLASSES[dimensions], device.torch)
    return TrainingLoop(method.to(device.torch), lambda step: batch, method.settings, 0, device)


def losses_of(method: Method, dimensions: int, device: Device) -> list[dict[str, float]]:
    """Train on a device and return the mean losses of every ten steps."""
    reports: list[dict[str, float]] = []
    hooks = Hooks(lambda *stage: None, lambda report: reports.append(report.losses), lambda step: None)
    with SameRandomNumbers():
        make_loop(method, dimensions, device).run(hooks)
    return reports


def largest_difference(first: dict[str, float], second: dict[str, float]) -> float:
    """Return the largest relative difference of two sets of losses."""
    return max(abs(second[name] - value) / max(abs(value), SMALLEST_LOSS) for name, value in first.items())


def resumes(method_id: str, dimensions: int, device: Device, steps: int) -> bool:
    """Return whether a training that is stopped in the middle ends with the same weights as a whole one."""
    saved: list[Checkpoint] = []

    def save(loop: TrainingLoop, step: int) -> None:
        if step == steps // 2:
            saved.append(copy.deepcopy(loop.checkpoint("")))

    whole = make_loop(build(method_id, dimensions, steps), dimensions, device)
    _run(whole, lambda step: save(whole, step))
    continued = make_loop(build(method_id, dimensions, steps), dimensions, device)
    continued.restore(saved[0])
    _run(continued, lambda step: None)
    weights = whole.method.state_dict(), continued.method.state_dict()
    return all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def _run(loop: TrainingLoop, on_step_end: Any) -> None:
    loop.run(Hooks(lambda *stage: None, lambda report: None, on_step_end))


def compare(method_id: str, dimensions: int, device: Device, steps: int, report: Report) -> None:
    """Compare a method in one number of dimensions, and keep the figures."""
    processor = choose_device("cpu", "float32")
    before, after = (losses_of(build(method_id, dimensions, steps), dimensions, place) for place in (processor, device))
    differences = [largest_difference(*pair) for pair in zip(before, after, strict=True)]
    same = resumes(method_id, dimensions, device, steps)
    report.judge(
        f"{method_id}, {dimensions}D: losses of each {INTERVAL} steps",
        f"first within {TOLERANCE}",
        " and ".join(f"{value:.1e}" for value in differences),
        differences[0] <= TOLERANCE,
    )
    words = "the same weights" if same else "other weights"
    report.judge(f"{method_id}, {dimensions}D: continued from step {steps // 2}", "the same weights", words, same)
    report.add(method=method_id, dimensions=dimensions, first=differences[0], last=differences[-1], resumes=same)


def main() -> None:
    """Compare all methods."""
    options = parser(__doc__)
    options.add_argument("--device", default="cuda")
    options.add_argument("--methods", nargs="+", default=list(load_catalogue().methods))
    options = options.parse_args()
    device = choose_device(options.device, "float32")
    # TensorFloat-32 rounds to ten bits, which is another precision.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    steps = INTERVAL if options.tiny else 2 * INTERVAL
    report = Report("against_processor", options.output)
    for method_id in options.methods:
        for dimensions in load_catalogue().method(method_id).dimensions[: 1 if options.tiny else None]:
            compare(method_id, dimensions, device, steps, report)
            report.write()


if __name__ == "__main__":
    main()
