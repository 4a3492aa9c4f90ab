"""One piece of work on a study, and its figures as JSON on the last line; started by scaling.py."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from SemiSupervisedSegLib.jobs.job_specs import make_training_spec
from SemiSupervisedSegLib.jobs.rounds import next_round, rounds
from SemiSupervisedSegLib.study.cases import add_cases, new_case
from SemiSupervisedSegLib.study.store import create_study, load_study, save_study

from .peak_memory import peak_megabytes

_SETTINGS = {"dimension": "2d", "patch_size": "32x32"}
Work = Callable[[], object]


def add(source: Path, folder: Path) -> Work:
    """Create a study and add all cases of another one, each checked."""
    old = load_study(source)

    def work() -> None:
        study = create_study(folder, "Scaling", old.modality, old.local_site, old.structures)
        cases = [
            new_case(
                study,
                old.image_path(case),
                site=case.site,
                role=case.role,
                annotation=old.annotation_path(case),
                case_id=case.id,
            )
            for case in old.cases
        ]
        save_study(add_cases(study, cases))

    return work


def show(source: Path, folder: Path) -> Work:
    """What `study show` does, including the files of all cases."""
    from SemiSupervisedSegLib.__main__ import main

    return lambda: main(["study", "show", str(folder)])


def open_in_session(source: Path, folder: Path) -> Work:
    """Open the study as the panel does, and compute where the user is in the loop."""
    from ...slicer_stand_in import desktop

    desktop.start()
    from SemiSupervisedSegLib.panel.logic import state  # noqa: F401 - imported before the clock runs
    from SemiSupervisedSegLib.panel.session import Session

    def work() -> None:
        session = Session()
        session.open_study(folder)
        session.show(session.study.cases[-1].id)
        _ = session.state

    return work


def write_job(source: Path, folder: Path) -> Work:
    """Freeze the study in the job of a new round, and read it as the worker does."""

    def work() -> None:
        job = next_round(folder, "mean_teacher")
        job.write_spec(make_training_spec(load_study(folder), "mean_teacher", "quick", _SETTINGS, device="cpu"))
        job.spec()

    return work


def preprocess(source: Path, folder: Path) -> Work:
    """What a worker does before its first step: inspect all images, and preprocess those that the cache lacks."""
    from SemiSupervisedSegLib.engine.worker.prepare import prepare
    from SemiSupervisedSegLib.engine.worker.reporter import Reporter

    job = rounds(folder)[-1]
    (job.path / "plan.json").unlink(missing_ok=True)
    return lambda: prepare(job, job.spec(), Reporter(job))


WORK = {
    "create study, add cases": add,
    "study show": show,
    "open in the panel's session": open_in_session,
    "write and read a job": write_job,
    "preprocess": preprocess,
    "start with everything prepared": preprocess,
}


def main() -> None:
    """Do the work that the command line names."""
    name, source, folder = sys.argv[1:]
    work = WORK[name](Path(source), Path(folder))
    start, used = time.perf_counter(), time.process_time()
    work()
    figures = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - used}
    print("\n" + json.dumps(figures | {"peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    main()
