"""What a training step and a prediction spend their time on, largest first.

    python -m Testing.benchmarks.speed.profile_step [--quick] [--only v_net] [--method cu2l] [--plain] [--threads 1]

Both run under PyTorch's profiler in a process with the environment of a worker, and the time of its operators, without
that of those they call, is summed in named groups. With --plain the loop and the inference in the
published style are profiled instead, in this process.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from SemiSupervisedSegLib.engine.inference.optimize import optimize_for_inference
from SemiSupervisedSegLib.engine.inference.sliding_window import predict_grid
from SemiSupervisedSegLib.engine.networks.factory import build_planned_network
from SemiSupervisedSegLib.engine.training.loop import Hooks, TrainingLoop
from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.launcher import worker_environment
from SemiSupervisedSegLib.planning.networks import NetworkSpec
from SemiSupervisedSegLib.planning.normalization import Normalization
from SemiSupervisedSegLib.planning.plan import Plan
from SemiSupervisedSegLib.study.model import Modality

from . import inference
from .published_inference import segment, segment_by_prototypes
from .published_style import as_published, train
from .report import Report, parser
from .training_contenders import Stopped, make_loop
from .trials import REFERENCE, TRIALS, Prepared, prepare, tiny

# The first group of which a part of the name is in an operator's; backward comes before forward.
GROUPS = {
    "convolutions, backward": ("convolution_backward", "conv_backward", "slow_conv3d_backward", "slow_conv2d_backward"),
    "convolutions, forward": ("convolution", "slow_conv", "thnn_conv", "addmm", "baddbmm", "::bmm", "::mm"),
    "normalization, backward": ("batch_norm_backward", "group_norm_backward", "layer_norm_backward"),
    "normalization, forward": ("batch_norm", "group_norm", "layer_norm", "var_mean"),
    "activations": ("relu", "threshold", "clamp_min"),
    "random numbers and dropout": ("random", "dropout", "bernoulli", "randn", "normal_", "uniform"),
    "interpolation and pooling": ("upsample", "pool"),
    "softmax and losses": ("softmax", "nll_loss", "cross_entropy", "log", "sigmoid", "logsumexp"),
    "optimizer and average of the teacher": ("foreach", "optimizer", "lerp"),
    "copies and memory": ("copy", "clone", "cat", "contiguous", "fill", "zero", "empty", "stack", "resize", "to_copy"),
}
OTHER = "everything else"
SHOWN = 6


def costs(work: Callable[[], object]) -> Counter[str]:
    """Run some work under the profiler and return the CPU seconds of each group."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        work()
    found: Counter[str] = Counter()
    for item in profiler.key_averages():
        name = item.key.lower()
        group = next((title for title, parts in GROUPS.items() if any(part in name for part in parts)), OTHER)
        found[group] += item.self_cpu_time_total / 1e6
    return found


def show(title: str, found: Counter[str], report: Report) -> None:
    """Print the largest groups and keep all."""
    total = sum(found.values())
    print(f"{title}: {total:.2f} s of operators")
    for group, seconds in found.most_common():
        report.add(what=title, group=group, seconds=seconds, share=seconds / total)
    for group, seconds in found.most_common(SHOWN):
        print(f"  {group:<40}{seconds:8.2f} s {seconds / total:6.1%}", flush=True)


def training_costs(prepared: Prepared, plain: bool) -> Counter[str]:
    """Costs of one training step, after one that warms up."""
    device = prepared.choose_device()
    if plain:
        plan = prepared.plan
        network = build_planned_network(plan)
        steps = train(network, prepared.samples, plan.patch, prepared.trial.batch, device.torch)
        next(steps)
        return costs(lambda: next(steps))
    loop, batches = make_loop(prepared, device)
    run_one_step(loop)
    found = costs(lambda: run_one_step(loop))
    batches.close()
    return found


def run_one_step(loop: TrainingLoop) -> None:
    """Train one step."""

    def stop(step: int) -> None:
        raise Stopped

    with contextlib.suppress(Stopped):
        loop.run(Hooks(lambda stage, steps: None, lambda report: None, stop))


def prediction_costs(task: inference.Task, plain: bool) -> Counter[str]:
    """Costs of both predictions of a case."""
    network, classifier, image = inference.make_parts(task)
    dimensions = len(task.patch)
    if plain:
        network = as_published(network).eval()
        where = (image, task.patch, task.stride)

        def work() -> None:
            segment(network, *where, task.classes, "cpu")
            segment_by_prototypes(network, classifier.vectors, *where, "cpu")

        return costs(work)
    overlap = inference.overlap_of(task)
    plan = Plan(
        dimensions, 0, (1.0,) * 3, task.patch, Normalization(Modality.MR), task.classes, NetworkSpec(task.network)
    )
    fast = optimize_for_inference(network)
    return costs(lambda: predict_grid(fast, image, plan, classifier, overlap=overlap))


def profile_all(options: argparse.Namespace) -> None:
    """Profile both of each network."""
    if options.threads:
        torch.set_num_threads(options.threads)
    report = Report("profile_plain" if options.plain else "profile_step", options.output)
    tasks = inference.TINY if options.tiny else inference.QUICK
    for trial, task in zip(TRIALS, tasks, strict=True):
        if options.only in (None, trial.network):
            trial = tiny(trial) if options.tiny else replace(trial, batch=max(2, trial.batch // 4))
            with tempfile.TemporaryDirectory() as folder:
                prepared = prepare(trial, Path(folder), "cpu", options.threads).with_method(options.method)
                show(
                    f"training step of {options.method}, {trial.title}", training_costs(prepared, options.plain), report
                )
            show(f"prediction, {task.title}", prediction_costs(task, options.plain), report)
    report.write()


def main() -> None:
    """Read the command line and profile in the right process."""
    options = parser(__doc__)
    options.add_argument("--only", choices=[trial.network for trial in TRIALS], help="one of the networks")
    options.add_argument("--method", default=REFERENCE, choices=list(load_catalogue().methods), help="that is trained")
    options.add_argument("--plain", action="store_true", help="the published style instead of this project")
    options.add_argument("--threads", type=int, default=0, help="of the CPU; 0 is all")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.plain or options.here:
        profile_all(options)
        return
    # Only an allocator that keeps its buffers, as a worker's does, leaves out of an operator's time what it takes to
    # get fresh memory for its output; a normalisation of 67 MB takes three times as long with it.
    command = [sys.executable, "-m", "Testing.benchmarks.speed.profile_step", *sys.argv[1:], "--here"]
    sys.exit(subprocess.run(command, check=False, env=worker_environment()).returncode)


if __name__ == "__main__":
    main()
