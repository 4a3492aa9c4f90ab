"""`train`: one more round on a study, or the continuation of one that was stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..jobs.catalogue import load_catalogue
from ..jobs.continuation import check_resumable, make_continued_spec, model_in, trained_model_folder
from ..jobs.folder import JobFolder
from ..jobs.job_specs import DEFAULT_PRESET, make_training_spec
from ..jobs.launcher import launch
from ..jobs.machines import find_machine
from ..jobs.remote.executor import SshExecutor
from ..jobs.remote.parcel import check_can_travel
from ..jobs.remote.record import check_here, machine_of
from ..jobs.rounds import find_round, next_round
from ..jobs.spec import JobSpec
from ..study.checks import check_study
from ..study.errors import UserError
from ..study.model import Study
from ..study.store import load_study
from .parse_settings import parse_settings
from .run_job import run_job
from .run_there import LeftAlone, run_there


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    catalogue = load_catalogue()
    parser = subparsers.add_parser("train", help="train a model on a study and segment all its cases")
    parser.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    parser.add_argument("--method", choices=list(catalogue.methods), help="how to train")
    parser.add_argument("--preset", choices=list(catalogue.presets), help=f"how long to train ({DEFAULT_PRESET})")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="settings", help="set one setting; repeatable"
    )
    parser.add_argument("--steps", type=int, help="how many steps to train (as in the preset)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--threads", type=int, help="processor cores to use (all)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything random (0)")
    parser.add_argument("--resume", metavar="ROUND", help="continue a round that was stopped")
    parser.add_argument(
        "--continue", metavar="ROUND", dest="continued", help="train a finished round up to --steps, as a new round"
    )
    parser.add_argument(
        "--warm-start",
        metavar="ROUND",
        help="begin from the model of an earlier round, or of the folder of another study, round or model",
    )
    parser.add_argument(
        "--detach", action="store_true", help="continue in the background, also after this terminal closes"
    )
    parser.add_argument("--on", metavar="MACHINE", help="train on another machine; see the command machine")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train; raises UserError when something is wrong with the study or the options."""
    study = load_study(options.study)
    executor = SshExecutor(find_machine(options.on)) if options.on else None
    folder = (
        _resumed_round(study, options) if options.resume else _new_round(study, _new_spec(study, options), executor)
    )
    print(f"Round {folder.name}", flush=True)
    if options.detach:
        _leave(folder, executor, options)
        return 0
    try:
        if executor is None:
            run_job(folder)
        else:
            run_there(folder, executor)
    except LeftAlone:
        print(f"What was started on {options.on} goes on there. To follow it again: {_again(folder, options)}")
        raise
    except KeyboardInterrupt:
        print(f"To continue: {_again(folder, options)}")
        raise
    print(f"Done. Segmentations of all cases: {folder.predictions}")
    if folder.report.exists():
        print(f"Report: {folder.report}")
    return 0


def _leave(folder: JobFolder, executor: SshExecutor | None, options: argparse.Namespace) -> None:
    """Start a round and let it run in the background."""
    if executor is not None:
        executor.send(folder)
        for notice in executor.notices():
            print(notice)
        print(f"Training continues on {options.on}. To follow it and fetch its results: {_again(folder, options)}")
        return
    launch(folder, detached=True)
    print(f"Training continues in the background; {folder.path / 'status.json'} shows its progress.")
    print(f"To stop it, make a file named cancel in {folder.path}.")


def _again(folder: JobFolder, options: argparse.Namespace) -> str:
    """Return the command that continues a round, or follows it."""
    place = f" --on {options.on}" if options.on else ""
    return f"semi-supervised-seg train {options.study} --resume {folder.name}{place}"


def _new_round(study: Study, spec: JobSpec, executor: SshExecutor | None) -> JobFolder:
    if executor is not None:
        # Before the round is made, which would stay behind empty.
        check_can_travel(spec)
        executor.check()
    for warning in check_study(study):
        print(f"Warning: {warning}")
    folder = next_round(study.folder, spec.method)
    folder.write_spec(spec)
    return folder


def _new_spec(study: Study, options: argparse.Namespace) -> JobSpec:
    if options.continued:
        return _continued_spec(study, options)
    if options.method is None:
        raise UserError("No method was chosen.", f"Add --method with one of: {', '.join(load_catalogue().methods)}.")
    named = {"threads": options.threads, "steps": options.steps}
    return make_training_spec(
        study,
        options.method,
        options.preset or DEFAULT_PRESET,
        parse_settings(options.settings) | {name: value for name, value in named.items() if value is not None},
        device=options.device or "auto",
        seed=options.seed,
        warm_start=_earlier_model(study, options.warm_start) if options.warm_start else None,
    )


def _earlier_model(study: Study, name: str) -> Path:
    if Path(name).is_dir():
        return model_in(Path(name))
    return trained_model_folder(find_round(study.folder, name))


def _continued_spec(study: Study, options: argparse.Namespace) -> JobSpec:
    _check_nothing_else(options)
    if options.steps is None:
        raise UserError("It is not said how long the round continues.", "Add --steps with the number of steps in all.")
    return make_continued_spec(find_round(study.folder, options.continued), options.steps, options.device)


def _check_nothing_else(options: argparse.Namespace) -> None:
    if options.method or options.preset or options.settings or options.warm_start or options.threads is not None:
        raise UserError(
            "A round continues with the settings it began with.",
            "Leave --method, --preset, --set, --threads and --warm-start out, or begin a new round.",
        )


def _resumed_round(study: Study, options: argparse.Namespace) -> JobFolder:
    _check_nothing_else(options)
    if options.steps is not None or options.continued:
        raise UserError(
            "A stopped round is resumed to the number of steps that it began with.",
            "Leave --steps and --continue out; a finished round is trained for longer with --continue.",
        )
    folder = find_round(study.folder, options.resume)
    check_resumable(folder)
    if not options.on:
        check_here(folder)
    elif machine_of(folder) is None and folder.last_checkpoint.exists():
        raise UserError(
            f"The round {folder.name} was begun on this computer.", "Leave --on out, or begin a new round with --on."
        )
    return folder
