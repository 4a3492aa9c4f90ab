"""What trains in the processes of training_speed.py: this project's loop, and the published style."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection

import torch
from torch.utils.flop_counter import FlopCounterMode

from SemiSupervisedSegLib.engine.data.batches import BatchSource
from SemiSupervisedSegLib.engine.device import Device
from SemiSupervisedSegLib.engine.memory_order import memory_format
from SemiSupervisedSegLib.engine.methods.method import MethodContext
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.factory import build_network, build_planned_network
from SemiSupervisedSegLib.engine.training.loop import Hooks, TrainingLoop
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.planning.tasks import find_tasks

from .contender import answer_turns, seconds_of
from .published_style import train
from .trials import Prepared


@dataclass(frozen=True)
class Facts:
    """What this project's process knows beside its times; seconds to draw a batch, GFLOP of a step, peak GFLOP/s."""

    title: str
    draw: float
    gigaflop: float
    peak: float


def make_loop(prepared: Prepared, device: Device) -> tuple[TrainingLoop, BatchSource]:
    """Return the loop of a worker, and where its batches come from."""
    plan = prepared.plan
    context = MethodContext(
        partial(build_network, plan.network.backbone, plan.in_channels, plan.num_classes),
        plan.num_classes,
        plan.dimensions,
        prepared.settings,
        find_tasks(prepared.cases, plan.num_classes),
    )
    order = memory_format("channels_last", plan.dimensions)
    method = build_method(prepared.method, context).to(device.torch, memory_format=order)
    streams = load_catalogue().method(prepared.method).streams
    batches = BatchSource(prepared.cases, streams, plan, prepared.settings, 0, device.torch, order)
    batches.prepare(0)
    return TrainingLoop(method, batches, prepared.settings, 0, device), batches


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Ends a training between two steps."""


def serve_project(prepared: Prepared, pipe: Connection) -> None:
    """Train in this project's loop on request, and return the seconds of each step; at the end the facts."""
    device = prepared.choose_device()
    loop, batches = make_loop(prepared, device)
    counter = FlopCounterMode(display=False)
    turns = answer_turns(pipe, device)

    def on_step_end(step: int) -> None:
        if step == 1:
            counter.__exit__(None, None, None)
        if not next(turns):
            raise Stopped

    counter.__enter__()
    with contextlib.suppress(Stopped):
        loop.run(Hooks(lambda stage, steps: None, lambda report: None, on_step_end))
    draw = statistics.median(seconds_of(lambda step=step: batches(step), device) for step in range(3))
    peak = peak_gigaflops(device, prepared.plan.dimensions)
    pipe.send(Facts(device.title, draw, counter.get_total_flops() / 1e9, peak))
    batches.close()


def serve_published(prepared: Prepared, pipe: Connection) -> None:
    """Train Mean Teacher in the published style."""
    device = replace(prepared.choose_device(), dtype=torch.float32)
    plan = prepared.plan
    network = build_planned_network(plan)
    turns = answer_turns(pipe, device)
    for _ in train(network, prepared.samples, plan.patch, prepared.trial.batch, device.torch):
        if not next(turns):
            break


def peak_gigaflops(device: Device, dimensions: int, channels: int = 64) -> float:
    """The best speed of a large 3x3(x3) convolution, forward, in the precision of training and channels-last."""
    side = 128 if dimensions == 2 else 32
    shape = (1, channels, *(side,) * dimensions)
    order = memory_format("channels_last", dimensions)
    convolve = torch.nn.functional.conv2d if dimensions == 2 else torch.nn.functional.conv3d
    images = torch.randn(shape, device=device.torch, dtype=device.dtype).to(memory_format=order)
    weight = torch.randn((channels, channels, *(3,) * dimensions), device=device.torch, dtype=device.dtype)
    weight = weight.to(memory_format=order)
    with torch.no_grad():
        fastest = min(seconds_of(lambda: convolve(images, weight, padding=1), device) for _ in range(8))
    return 2 * images.numel() * channels * 3**dimensions / fastest / 1e9
