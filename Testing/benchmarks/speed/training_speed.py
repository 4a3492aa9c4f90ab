"""Time Mean Teacher in this project's loop against a loop as public benchmark code has it, on the same network.

    python -m Testing.benchmarks.speed.training_speed [--quick] [--only unet_2d]

Both loops run in processes of their own and take turns, so that a change of the machine's load meets both. The
project's process has the environment of a worker. CPU seconds are those of a process with its data loaders; they say
more than the clock where other programs run beside.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from SemiSupervisedSegLib.engine.data.cache import CachedCase, prepare_cache
from SemiSupervisedSegLib.engine.data.fingerprint import fingerprint
from SemiSupervisedSegLib.engine.data.plan import Plan, make_plan
from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.engine.methods.method import MethodContext
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.engine.training.batches import BatchSource
from SemiSupervisedSegLib.engine.training.loop import Hooks, TrainingLoop
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.launcher import worker_environment
from SemiSupervisedSegLib.jobs.training_spec import make_training_spec
from SemiSupervisedSegLib.phantom.generate import generate_study

from .published_style import train, write_samples


@dataclass(frozen=True)
class Trial:
    """A network on a generated study: sizes in voxels, x, y, z for the images and as tensors for the patch."""

    network: str
    patch: tuple[int, ...]
    batch: int
    image_size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    labeled: int = 2
    unlabeled: int = 4

    @property
    def dimensions(self) -> int:
        return len(self.patch)

    @property
    def title(self) -> str:
        return f"{self.network}, patch {'x'.join(map(str, self.patch))}, batch {self.batch}+{self.batch}"


TRIALS = (
    Trial("unet_2d", (256, 256), 12, (256, 256, 10), (1.2, 1.2, 8.0)),
    Trial("v_net", (64, 64, 64), 2, (112, 112, 80), (1.0, 1.0, 1.0)),
)
CUDA_TRIAL = Trial("v_net", (112, 112, 80), 2, (144, 144, 96), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Prepared:
    """A study in the cache and as compressed samples."""

    trial: Trial
    plan: Plan
    settings: dict[str, Any]
    cases: tuple[CachedCase, ...]
    samples: tuple[list[Path], list[Path]]
    device: str
    threads: int

    def choose_device(self) -> Device:
        return choose_device(self.device, threads=self.threads)


@dataclass(frozen=True)
class Facts:
    """What this project's process knows beside its times; seconds to draw a batch, GFLOP of a step, peak GFLOP/s."""

    title: str
    draw: float
    gigaflop: float
    peak: float


def prepare(trial: Trial, folder: Path, device: str, threads: int) -> Prepared:
    """Generate a study, and bring it to both forms."""
    study = generate_study(
        folder / "study",
        labeled=trial.labeled,
        unlabeled=trial.unlabeled,
        external=0,
        validation=0,
        structures=3 if trial.dimensions == 2 else 1,
        size=trial.image_size,
        spacing=trial.spacing,
        oblique=False,
    )
    wanted = {
        "dimension": f"{trial.dimensions}d",
        "patch_size": "x".join(map(str, trial.patch)),
        "labeled_batch": trial.batch,
        "unlabeled_batch": trial.batch,
    }
    spec = make_training_spec(study, "mean_teacher", "paper", wanted)
    settings = load_catalogue().resolve(spec.method, spec.preset, spec.settings, trial.dimensions)
    found = fingerprint(spec.cases, spec.structures, lambda done, total: None)
    plan = make_plan(found, spec.modality, study.num_classes, settings)
    cases = prepare_cache(spec.cases, plan, folder / "cache", spec.structures, lambda done, total: None)
    return Prepared(
        trial, plan, settings, cases, write_samples(cases, folder / "samples", trial.dimensions), device, threads
    )


def serve_project(prepared: Prepared, pipe: Connection) -> None:
    """Train in this project's loop whenever asked, and answer the seconds of each step; at the end the facts."""
    device = prepared.choose_device()
    plan = prepared.plan
    context = MethodContext(
        lambda: build_network(plan.network, plan.in_channels, plan.num_classes),
        plan.num_classes,
        plan.dimensions,
        prepared.settings,
    )
    memory_format = torch.channels_last if plan.dimensions == 2 else torch.channels_last_3d
    method = build_method("mean_teacher", context).to(device.torch, memory_format=memory_format)
    streams = frozenset({"labeled", "unlabeled"})
    batches = BatchSource(prepared.cases, streams, plan, prepared.settings, 0, device.torch)
    batches.prepare(0)
    loop = TrainingLoop(method, batches, prepared.settings, 0, device)
    counter = FlopCounterMode(display=False)
    rounds = _answer(pipe, device)

    def after_step(step: int) -> bool:
        if step == 1:
            counter.__exit__(None, None, None)
        return next(rounds)

    counter.__enter__()
    loop.run(Hooks(lambda stage, steps: None, lambda report: None, after_step))
    draw = statistics.median(_seconds(lambda step=step: batches(step), device) for step in range(3))
    pipe.send(Facts(device.title, draw, counter.get_total_flops() / 1e9, peak_gigaflops(device, plan.dimensions)))
    batches.close()


def serve_published(prepared: Prepared, pipe: Connection) -> None:
    """The same in the published style."""
    device = replace(prepared.choose_device(), dtype=torch.float32)
    plan = prepared.plan
    network = build_network(plan.network, plan.in_channels, plan.num_classes)
    rounds = _answer(pipe, device)
    for _ in train(network, prepared.samples, plan.patch, prepared.trial.batch, device.torch):
        if not next(rounds):
            break


def _answer(pipe: Connection, device: Device) -> Iterator[bool]:
    """After the first step, which warms up, run as many steps as asked and send their seconds, until asked for none."""
    while steps := pipe.recv():
        seconds = []
        for _ in range(steps):
            _synchronize(device)
            start = time.perf_counter()
            yield True
            _synchronize(device)
            seconds.append(time.perf_counter() - start)
        pipe.send(seconds)
    yield False


def _synchronize(device: Device) -> None:
    if device.torch.type == "cuda":
        torch.cuda.synchronize()


def _seconds(work: Callable[[], object], device: Device) -> float:
    _synchronize(device)
    start = time.perf_counter()
    work()
    _synchronize(device)
    return time.perf_counter() - start


def peak_gigaflops(device: Device, dimensions: int, channels: int = 64) -> float:
    """The best speed of a large 3x3(x3) convolution, forward, in the precision of training and channels-last."""
    side = 128 if dimensions == 2 else 32
    shape = (1, channels, *(side,) * dimensions)
    memory_format = torch.channels_last if dimensions == 2 else torch.channels_last_3d
    convolve = torch.nn.functional.conv2d if dimensions == 2 else torch.nn.functional.conv3d
    images = torch.randn(shape, device=device.torch, dtype=device.dtype).to(memory_format=memory_format)
    weight = torch.randn((channels, channels, *(3,) * dimensions), device=device.torch, dtype=device.dtype)
    weight = weight.to(memory_format=memory_format)
    with torch.no_grad():
        fastest = min(_seconds(lambda: convolve(images, weight, padding=1), device) for _ in range(8))
    return 2 * images.numel() * channels * 3**dimensions / fastest / 1e9


class Contender:
    """A process that trains when asked."""

    def __init__(
        self, serve: Callable[[Prepared, Connection], None], prepared: Prepared, environment: dict[str, str]
    ) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(prepared, other))
        before = dict(os.environ)
        os.environ.update(environment)
        self._process.start()
        os.environ.clear()
        os.environ.update(before)
        other.close()
        self.seconds: list[float] = []
        self.cpu_seconds = 0.0

    def run(self, steps: int) -> None:
        """Do some steps."""
        before = self._cpu()
        self._pipe.send(steps)
        self.seconds += self._pipe.recv()
        self.cpu_seconds += self._cpu() - before

    def end(self, facts: bool = False) -> Facts | None:
        """Stop, and return the facts if there are some."""
        self._pipe.send(0)
        answer = self._pipe.recv() if facts else None
        self._process.join()
        return answer

    def _cpu(self) -> float:
        process = psutil.Process(self._process.pid)
        times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
        return sum(part.user + part.system for part in times)


def compare(trial: Trial, device: str, threads: int, blocks: int, steps: int) -> None:
    """Run a trial and print its table."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(trial, Path(folder), device, threads)
        published = Contender(serve_published, prepared, {})
        project = Contender(serve_project, prepared, worker_environment())
        # Both are started and warm before the first block that counts.
        for contender in (published, project):
            contender.run(1)
            contender.seconds, contender.cpu_seconds = [], 0.0
        for _ in range(blocks):
            published.run(steps)
            project.run(steps)
        published.end()
        print_table(trial, published, project, project.end(facts=True))


def print_table(trial: Trial, published: Contender, project: Contender, facts: Facts) -> None:
    """Print medians, ratios and shares."""
    old, new = statistics.median(published.seconds), statistics.median(project.seconds)
    count = len(project.seconds)
    print(f"{trial.title}; {facts.title}; medians of {count} steps in turns")
    print(f"  published style   {old:8.3f} s a step   {published.cpu_seconds / count:8.3f} CPU s")
    print(f"  this project      {new:8.3f} s a step   {project.cpu_seconds / count:8.3f} CPU s")
    print(f"  ratio             {old / new:8.2f}            {published.cpu_seconds / project.cpu_seconds:8.2f}")
    reached = facts.gigaflop / new
    print(f"  arithmetic        {facts.gigaflop:8.1f} GFLOP a step, {reached:.0f} of {facts.peak:.0f} GFLOP/s", end="")
    print(f" measured for large convolutions: {reached / facts.peak:.0%}")
    print(f"  drawing a batch   {facts.draw:8.3f} s, {facts.draw / new:.1%} of the step", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples a batch and fewer steps")
    parser.add_argument("--tiny", action="store_true", help="only see that it runs")
    parser.add_argument("--only", choices=[trial.network for trial in TRIALS], help="one of the networks")
    parser.add_argument("--blocks", type=int, default=4, help="turns of each loop (4)")
    parser.add_argument("--steps", type=int, default=2, help="steps in a turn (2)")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 is all")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trials = [trial for trial in TRIALS if options.only in (None, trial.network)]
    if device == "cuda" and not options.tiny:
        trials.append(CUDA_TRIAL)
    if options.tiny:
        trials = [replace(t, patch=(32,) * t.dimensions, batch=1, image_size=(32, 32, 32)) for t in trials]
    blocks, steps = (1, 1) if options.tiny else (2, 1) if options.quick else (options.blocks, options.steps)
    for trial in trials:
        trial = replace(trial, batch=max(1, trial.batch // 4)) if options.quick else trial
        compare(trial, device, options.threads, blocks, steps)


if __name__ == "__main__":
    main()
