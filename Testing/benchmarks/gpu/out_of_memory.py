"""See that a training for which the graphics card has too little memory ends in a sentence with advice.

    python -m Testing.benchmarks.gpu.out_of_memory [--device cuda] [--output FOLDER]

This process takes nearly all memory of the card before a worker trains with patches of 96x96x96 there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from SemiSupervisedSegLib.jobs.events import Failed
from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.launcher import launch
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.phantom.generate import generate_study

from ..speed.report import Report, parser

LEFT_BYTES = 2**30
"""Enough for the worker's context on the card, and too little for a step."""
SECONDS = 300


def failure_of_a_round(folder: Path, device: str) -> Failed | None:
    """Train on a synthetic study and return how it failed, None where it did not."""
    study = generate_study(folder, labeled=2, unlabeled=2, external=0, validation=0, structures=1, size=(96, 96, 96))
    job = next_round(study.folder, "mean_teacher")
    settings = {"dimension": "3d", "patch_size": "96x96x96", "in_plane_scale": 1.0, "steps": 5}
    job.write_spec(make_training_spec(study, "mean_teacher", "paper", settings, device=device))
    worker = launch(job)
    worker.wait(SECONDS)
    failures = [event for event in worker.all_events() if isinstance(event, Failed)]
    return failures[-1] if failures else None


def main() -> None:
    """Fill the card, train, and judge the sentence."""
    options = parser(__doc__)
    options.add_argument("--device", default="cuda")
    options = options.parse_args()
    report = Report("out_of_memory", options.output)
    free, _ = torch.cuda.mem_get_info(options.device)
    taken = torch.empty(max(0, free - LEFT_BYTES), dtype=torch.uint8, device=options.device)
    with tempfile.TemporaryDirectory() as folder:
        failure = failure_of_a_round(Path(folder) / "study", options.device)
    del taken
    words = "the training went through" if failure is None else f"{failure.message} {failure.advice}"
    is_clear = failure is not None and "memory" in failure.message and "batch" in failure.advice
    report.judge("a training without enough memory", "a sentence with advice", words, is_clear)
    report.add(words=words, clear=is_clear)
    report.write()


if __name__ == "__main__":
    main()
