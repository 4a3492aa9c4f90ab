"""Time training in this project's loop against a loop as public benchmark code has it, on the same network.

    python -m Testing.benchmarks.speed.training_speed [--quick] [--only unet_2d] [--methods all] [--output FOLDER]

The other loop (`published_style.py`) is Mean Teacher's. Without --methods this project trains Mean Teacher as well, and
the ratio says what the loops differ in. With --methods the steps of further methods are related to that same loop, so
that the ratio also holds what a method computes more; of a method with several stages, steps of the first are timed,
and a step that also uses images of other sites has a third stream. Loops run in processes of their own and take
turns, so that a change of the machine's load meets both. The project's process has the environment of a worker. CPU
seconds are those of a process with its data loaders; they say more than the clock where other programs run beside.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.jobs.launcher import worker_environment

from .contender import Contender, take_turns
from .report import Report, parser
from .training_contenders import Facts, serve_project, serve_published
from .trials import CUDA_TRIAL, REFERENCE, TRIALS, Prepared, Trial, prepare, tiny

DRAW_TARGET = 0.05


def compare(
    trial: Trial, device: str, threads: int, methods: list[str], turns: tuple[int, int], report: Report
) -> None:
    """Run a trial with some methods, and print and keep their figures."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(trial, Path(folder), device, threads)
        published = Contender(serve_published, prepared, {})
        for method in methods:
            chosen = prepared.with_method(method)
            project = Contender(serve_project, chosen, worker_environment())
            take_turns([published, project], *turns)
            judge(chosen, published, project, project.end(answers=True), report)
        published.end()


def judge(prepared: Prepared, published: Contender, project: Contender, facts: Facts, report: Report) -> None:
    """Print and keep medians, ratios and shares."""
    old, new, images = published.median, project.median, prepared.images_a_step
    reached, drawn = facts.gigaflop / new, facts.draw / new
    print(f"{prepared.method}: {prepared.trial.title}; {facts.title}; medians of {len(project.seconds)} steps in turns")
    print(f"  published style   {old:8.3f} s a step   {published.cpu:8.3f} CPU s")
    print(f"  this project      {new:8.3f} s a step   {project.cpu:8.3f} CPU s   {new / images:.3f} s an image")
    print(f"  ratio             {old / new:8.2f}            {published.cpu / project.cpu:8.2f}")
    print(f"  arithmetic        {facts.gigaflop:8.1f} GFLOP a step, {reached:.0f} of {facts.peak:.0f} GFLOP/s", end="")
    print(f" measured for large convolutions: {reached / facts.peak:.0%}")
    print(f"  drawing a batch   {facts.draw:8.3f} s, {drawn:.1%} of the step", flush=True)
    report.add(
        method=prepared.method,
        trial=prepared.trial.title,
        device=facts.title,
        images_a_step=images,
        published_s=old,
        project_s=new,
        steps_per_s=1 / new,
        s_per_image=new / images,
        ratio=old / new,
        published_cpu_s=published.cpu,
        project_cpu_s=project.cpu,
        cpu_ratio=published.cpu / project.cpu,
        gigaflop=facts.gigaflop,
        peak_gigaflops=facts.peak,
        share_of_peak=reached / facts.peak,
        draw_s=facts.draw,
        draw_share=drawn,
    )
    if prepared.method == REFERENCE:
        what = f"data in a training step, {prepared.trial.network}"
        report.judge(what, f"under {DRAW_TARGET:.0%}", f"{drawn:.1%}", drawn < DRAW_TARGET)


def main() -> None:
    """Run all trials."""
    catalogue = load_catalogue().methods
    options = parser(__doc__)
    options.add_argument("--only", choices=[trial.network for trial in TRIALS], help="one of the networks")
    options.add_argument("--methods", nargs="+", default=[REFERENCE], choices=["all", *catalogue], metavar="METHOD")
    options.add_argument("--blocks", type=int, default=4, help="turns of each loop (4)")
    options.add_argument("--steps", type=int, default=2, help="steps in a turn (2)")
    options.add_argument("--threads", type=int, default=0, help="of the CPU; 0 is all")
    options = options.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    trials = [trial for trial in TRIALS if options.only in (None, trial.network)]
    if device == "cuda" and not options.tiny:
        trials.append(CUDA_TRIAL)
    turns = (1, 1) if options.tiny else (2, 1) if options.quick else (options.blocks, options.steps)
    report = Report("training_speed", options.output)
    for trial in trials:
        if options.tiny:
            trial = tiny(trial)
        elif options.quick:
            trial = replace(trial, batch=max(2, trial.batch // 3))
        fitting = [name for name, entry in catalogue.items() if trial.dimensions in entry.dimensions]
        methods = [REFERENCE, *(name for name in fitting if name != REFERENCE)]
        chosen = methods if "all" in options.methods else [name for name in methods if name in options.methods]
        compare(trial, device, options.threads, chosen, turns, report)
    report.write()


if __name__ == "__main__":
    main()
