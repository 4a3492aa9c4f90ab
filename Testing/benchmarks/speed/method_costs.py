"""Time and memory of a training step of every method, relative to Mean Teacher on the same network.

    python -m Testing.benchmarks.speed.method_costs [--network v_net --patch 112x112x80] [--methods cu2l ss_net]

Images are random numbers with blocks of classes; networks, losses, optimizers and the environment are those of a
worker. Each method runs in a process of its own. On a processor, time is that of all its cores together, on which other
programs have little influence, and memory is the peak of the process beyond what it takes before a method is built.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from functools import partial

import torch

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.engine.methods.method import Method, MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.training.optimizers import ObjectiveOptimizer
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.launcher import worker_environment
from SemiSupervisedSegLib.jobs.settings import size_of

from .peak_memory import peak_megabytes as process_megabytes
from .report import Report, parser

REFERENCE = "mean_teacher"
WARM_UP = 1
STAGE_STEPS, FIRST_STEP = 1000, 500
"""Steps are those of the middle of a stage, as some methods learn from annotated images alone at first."""
FEWER = {"prototype_batches": 2}
"""What would only take long here: batches that AUA reads between its stages."""


def random_batch(patch: tuple[int, ...], batch: int, classes: int, device: torch.device) -> Batch:
    """Images of noise (batch, 1, *patch) of all streams, and labels in blocks that hold every class."""
    generator = torch.Generator().manual_seed(0)
    memory_format = torch.channels_last if len(patch) == 2 else torch.channels_last_3d
    labels = (torch.arange(patch[-1]) * classes // patch[-1]).expand(batch, *patch)

    def images() -> torch.Tensor:
        noise = torch.randn(batch, 1, *patch, generator=generator) + labels.unsqueeze(1)
        return noise.to(device).contiguous(memory_format=memory_format)

    extents = torch.linspace(0, 1, batch, device=device).unsqueeze(1).repeat(1, 2)
    labeled = Labeled(images(), labels.contiguous().to(device), extents=extents)
    return Batch(labeled, Unlabeled(images(), extents=extents), Unlabeled(images(), extents=extents))


def build(method_id: str, options: argparse.Namespace, patch: tuple[int, ...], device: Device) -> tuple[Method, dict]:
    """The method as a round with the preset "paper" has it, on the requested network."""
    sizes = dict.fromkeys(("labeled_batch", "unlabeled_batch", "external_batch"), options.batch)
    known = {setting.name for setting in load_catalogue().method(method_id).settings}
    wanted = {name: value for name, value in {**sizes, **FEWER}.items() if name in known}
    settings = load_catalogue().resolve(method_id, "paper", wanted, len(patch))
    networks = partial(build_network, options.network, 1, options.classes)
    method = build_method(method_id, MethodContext(networks, options.classes, len(patch), settings))
    memory_format = torch.channels_last if len(patch) == 2 else torch.channels_last_3d
    return method.to(device.torch, memory_format=memory_format), settings


def measure(method_id: str, options: argparse.Namespace) -> tuple[float, float]:
    """Return the median seconds of a step of the last stage, and the peak memory in MB of all stages."""
    patch = size_of(options.patch)
    device = choose_device(options.device, threads=options.threads)
    before = peak_megabytes(device)
    method, settings = build(method_id, options, patch, device)
    batch = random_batch(patch, options.batch, options.classes, device.torch)
    method.train()
    for stage in method.stages():
        method.start_stage(stage, lambda step: batch)
        optimizers = [ObjectiveOptimizer(objective, settings, device) for objective in method.objectives()]
        seconds = [
            train_step(method, optimizers, batch, TrainingStep(FIRST_STEP + step, STAGE_STEPS, stage.name), device)
            for step in range(WARM_UP + options.steps)
        ]
    return statistics.median(seconds[WARM_UP:]), peak_megabytes(device) - before


def train_step(
    method: Method, optimizers: list[ObjectiveOptimizer], batch: Batch, training_step: TrainingStep, device: Device
) -> float:
    """Do a step as the loop does it, without its reports, and return its seconds: of all cores of a processor."""
    on_card = device.torch.type == "cuda"
    clock = time.perf_counter if on_card else time.process_time
    start = clock()
    for optimizer in optimizers:
        with device.autocast():
            losses = optimizer.objective.losses(batch, training_step)
        optimizer.step(sum(loss.weight * loss.value for loss in losses.values() if loss.weight))
    method.after_step(training_step)
    if on_card:
        torch.cuda.synchronize()
    return clock() - start


def peak_megabytes(device: Device) -> float:
    """Most memory so far: of the graphics card, else of this process."""
    if device.torch.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return process_megabytes()


def measure_in_a_process(method_id: str, options: argparse.Namespace) -> tuple[float, float]:
    """Do the same in a process of its own, with the environment of a worker."""
    chosen = {
        name: value
        for name, value in vars(options).items()
        if name not in ("methods", "tiny", "quick", "output", "one")
    }
    arguments = itertools.chain.from_iterable((f"--{name}", str(value)) for name, value in chosen.items())
    command = [sys.executable, "-m", "Testing.benchmarks.speed.method_costs", "--one", method_id, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=worker_environment()).stdout
    seconds, megabytes = output.split()
    return float(seconds), float(megabytes)


def parse() -> argparse.Namespace:
    """Read the command line."""
    made = parser(__doc__)
    made.add_argument("--network", default="v_net")
    made.add_argument("--patch", default="64x64x64")
    made.add_argument("--batch", type=int, default=2, help="images of each stream (2)")
    made.add_argument("--classes", type=int, default=2)
    made.add_argument("--steps", type=int, default=2, help="that are timed, after one that is not (2)")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, default=0)
    made.add_argument("--methods", nargs="+", default=list(load_catalogue().methods))
    made.add_argument("--one", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.quick:
        options.network, options.patch, options.batch = "unet_2d", "128x128", 4
    if options.tiny:
        options.network, options.patch, options.steps, options.threads = "unet_2d", "32x32", 1, 1
    return options


def main() -> None:
    """Measure all methods and print the table."""
    options = parse()
    if options.one:
        print(*measure(options.one, options))
        return
    report = Report("method_costs", options.output)
    methods = [REFERENCE, *(method for method in options.methods if method != REFERENCE)]
    print(f"{options.network}, patch {options.patch}, {options.batch} images of each stream, {options.device}")
    print(f"{'method':<14}{'s a step':>10}{'ratio':>8}{'peak MB':>10}{'ratio':>8}")
    reference = None
    for method_id in methods:
        seconds, megabytes = measure_in_a_process(method_id, options)
        reference = reference or (seconds, megabytes)
        ratios = seconds / reference[0], megabytes / reference[1]
        print(f"{method_id:<14}{seconds:>10.2f}{ratios[0]:>8.2f}{megabytes:>10.0f}{ratios[1]:>8.2f}", flush=True)
        report.add(method=method_id, seconds=seconds, ratio=ratios[0], peak_mb=megabytes, peak_ratio=ratios[1])
    report.write()


if __name__ == "__main__":
    main()
