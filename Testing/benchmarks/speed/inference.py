"""Time the prediction of a case by this project against a plain implementation with the same output.

    python -m Testing.benchmarks.speed.inference [--quick] [--only v_net] [--threads 1] [--output FOLDER]

The plain one (`published_inference.py`) is written as public benchmark scripts are. Both make the same maps of the same
image with the same network: the final prediction alone, and with it the prototype-based one, which the plain scripts
make in a pass of its own. Each runs in a process of its own and they take turns. This project predicts in the precision
of a worker, or with --precision in another one. The differences between their probabilities and segmentations are
printed, and the run fails where they are larger than the precision explains. The network has random weights.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from SemiSupervisedSegLib.engine.device import Device, choose_device
from SemiSupervisedSegLib.engine.inference.optimize import optimize_for_inference
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import CosineClassifier
from SemiSupervisedSegLib.engine.inference.sliding_window import predict_grid
from SemiSupervisedSegLib.engine.networks.base import SegmentationNetwork
from SemiSupervisedSegLib.engine.networks.factory import build_network
from SemiSupervisedSegLib.jobs.launcher import worker_environment
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality

from .contender import Contender, answer_turns, take_turns
from .published_inference import segment, segment_by_prototypes
from .published_style import as_published
from .report import Report, parser

# Of a probability, and the share of voxels that are segmented otherwise. Random weights leave many voxels undecided.
ALLOWED = {torch.float32: (1e-4, 1e-4), torch.bfloat16: (0.05, 5e-3), torch.float16: (0.02, 2e-3)}
TARGETS = {"final prediction": 2.5, "both predictions": 5.0}


@dataclass(frozen=True)
class Task:
    """An image (slices, rows, columns) for a network; a patch of two sides has slices for windows."""

    network: str
    classes: int
    patch: tuple[int, ...]
    stride: tuple[int, ...]
    image: tuple[int, int, int]
    device: str = "cpu"
    threads: int = 0
    precision: str = "auto"
    both: bool = False
    result: str = ""

    @property
    def title(self) -> str:
        patch, stride, image = ("x".join(map(str, sides)) for sides in (self.patch, self.stride, self.image))
        windows = "whole slices" if len(self.patch) == 2 else f"windows {patch}, stride {stride}"
        return f"{self.network}, image {image}, {windows}"


TASKS = (
    Task("unet_2d", 4, (256, 256), (256, 256), (10, 256, 256)),
    Task("v_net", 2, (112, 112, 80), (18, 18, 4), (148, 148, 88)),
)
QUICK = (
    Task("unet_2d", 4, (256, 256), (256, 256), (10, 256, 256)),
    Task("v_net", 2, (64, 64, 64), (18, 18, 4), (82, 82, 72)),
)
TINY = (
    Task("unet_2d", 4, (32, 32), (32, 32), (3, 32, 32)),
    Task("v_net", 2, (32, 32, 32), (18, 18, 16), (36, 40, 48)),
)


def make_parts(task: Task) -> tuple[SegmentationNetwork, CosineClassifier, np.ndarray]:
    """Return the same network, classifier and image in every process; normalisations have seen some noise."""
    torch.manual_seed(0)
    network = build_network(task.network, 1, task.classes)
    network.train()
    with torch.no_grad():
        network(torch.randn(2, 1, *(32,) * len(task.patch)))
    vectors = torch.randn(task.classes, network.feature_channels["decoder_half"])
    image = np.random.default_rng(0).standard_normal(task.image, np.float32)
    return (
        network.eval(),
        CosineClassifier(("decoder_half",), torch.ones(task.classes, dtype=torch.bool), vectors),
        image,
    )


def overlap_of(task: Task) -> tuple[float, ...] | float:
    """The stride of a task as this project's engine has it."""
    if len(task.patch) == 2:
        return 0.0
    # Half a voxel more than the stride: the engine cuts the product of share and side off.
    return tuple(1 - (step + 0.5) / side for step, side in zip(task.stride, task.patch, strict=True))


def serve_project(task: Task, pipe: Connection) -> None:
    """Predict with this project's engine on request; saves the last maps."""
    device = choose_device(task.device, task.precision, task.threads)
    network, classifier, image = make_parts(task)
    dimensions = len(task.patch)
    network = optimize_for_inference(network.to(device.torch))
    normalization = Normalization(Modality.MR)
    plan = Plan(dimensions, 0, (1.0, 1.0, 1.0), task.patch, normalization, task.classes, NetworkSpec(task.network))
    for more in answer_turns(pipe, device):
        if not more:
            break
        made = predict_grid(
            network,
            image,
            plan,
            classifier if task.both else None,
            device=device.torch,
            overlap=overlap_of(task),
            autocast=device.autocast(),
        )
        maps = [part.cpu().numpy() for part in (made.final, made.prototype) if part is not None]
    np.save(task.result, np.stack(maps))
    pipe.send(device)


def serve_plain(task: Task, pipe: Connection) -> None:
    """The same in the plain way."""
    device: Device = choose_device(task.device, "float32", task.threads)
    network, classifier, image = make_parts(task)
    network = as_published(network).to(device.torch).eval()
    where = (image, task.patch, task.stride)
    for more in answer_turns(pipe, device):
        if not more:
            break
        maps = [segment(network, *where, task.classes, task.device)]
        if task.both:
            maps.append(segment_by_prototypes(network, classifier.vectors.to(device.torch), *where, task.device))
    np.save(task.result, np.stack(maps))


def compare(task: Task, blocks: int, report: Report) -> None:
    """Run a task both ways, print and keep its figures."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("plain.npy", "project.npy")]
        plain = Contender(serve_plain, replace(task, result=str(files[0])), {})
        project = Contender(serve_project, replace(task, result=str(files[1])), worker_environment())
        take_turns([plain, project], blocks, 1)
        plain.end()
        device = project.end(answers=True)
        largest, otherwise = differences(*map(np.load, files))
    maps = "both predictions" if task.both else "final prediction"
    print(f"{task.title}; {maps}; {device.title}")
    for name, contender in (("plain", plain), ("this project", project)):
        print(f"  {name:<16}{contender.median:8.2f} s a case{contender.cpu:10.2f} CPU s")
    ratio, cpu_ratio = plain.median / project.median, plain.cpu / project.cpu
    print(f"  {'ratio':<16}{ratio:8.2f}{cpu_ratio:17.2f}", flush=True)
    print(
        f"  largest difference of a probability {largest:.1e}, voxels segmented otherwise {otherwise:.2%}", flush=True
    )
    if largest > ALLOWED[device.dtype][0] or otherwise > ALLOWED[device.dtype][1]:
        raise SystemExit("The outputs differ by more than rounding: their times cannot be compared.")
    report.add(
        task=task.title,
        maps=maps,
        device=device.title,
        plain_s=plain.median,
        project_s=project.median,
        ratio=ratio,
        plain_cpu_s=plain.cpu,
        project_cpu_s=project.cpu,
        cpu_ratio=cpu_ratio,
        largest_difference=largest,
        segmented_otherwise=otherwise,
    )
    target = TARGETS[maps]
    report.judge(f"{maps}, {task.network}", f"at least {target} times", f"{cpu_ratio:.2f} times", cpu_ratio >= target)


def differences(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the largest difference of probabilities (maps, C, *spatial), and the share of voxels of other classes."""
    return float(np.abs(first - second).max()), float((first.argmax(axis=1) != second.argmax(axis=1)).mean())


def main() -> None:
    """Compare all tasks."""
    options = parser(__doc__)
    options.add_argument("--only", choices=[task.network for task in TASKS], help="one of the networks")
    options.add_argument("--blocks", type=int, default=2, help="turns of each (2)")
    options.add_argument("--threads", type=int, default=0, help="of the CPU; 0 is all")
    options.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto", help="of this project")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = options.parse_args()
    report = Report("inference", options.output)
    for task in TINY if options.tiny else QUICK if options.quick else TASKS:
        if options.only in (None, task.network):
            task = replace(task, device=options.device, threads=options.threads, precision=options.precision)
            for both in (True,) if options.tiny else (False, True):
                compare(replace(task, both=both), 1 if options.tiny else options.blocks, report)
    report.write()


if __name__ == "__main__":
    main()
