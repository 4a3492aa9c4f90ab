"""The command compare, with real processes that are killed and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from SemiSupervisedSegLib.__main__ import main
from SemiSupervisedSegLib.jobs.comparison import comparisons
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Started, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.outcome import EXIT_FINISHED

from ..engine.worker.comparing import METHODS, TINY, FinishedWorker, wait_until
from ..engine.worker.rounds import tiny_study

ROOT = Path(__file__).resolve().parents[2]
# Enough steps for a stop to come before the last one on any machine.
STEPS = 200


def arguments(study: Path, steps: int = STEPS) -> list[str]:
    settings = [part for item in (TINY | {"steps": steps}).items() for part in ("--set", "{}={}".format(*item))]
    return ["compare", str(study), "--methods", *METHODS, "--preset", "quick", "--device", "cpu", *settings]


def saved_steps(folder: JobFolder) -> list[int]:
    return [event.step for event in folder.events()[0] if isinstance(event, CheckpointSaved)]


def start(study: Path) -> subprocess.Popen[str]:
    # Programs in the background of a shell ignore Ctrl-C, and so would this one if the tests run there.
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from SemiSupervisedSegLib.__main__ import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments(study)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", env=environment
    )


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_killed_interrupted_and_continued_by_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tiny_study(tmp_path / "study").folder
    with start(study) as command:
        wait_until(lambda: bool(comparisons(study)))
        comparison = comparisons(study)[0]
        first = comparison.trainings()[0].folder
        wait_until(lambda: bool(saved_steps(first)))
        queue = comparison.status().pid
        assert queue > 0
        os.kill(queue, signal.SIGKILL)
        said = command.communicate(timeout=60)[0]
    assert command.returncode == 2
    assert "SIGKILL" in said
    assert "2 methods × 2 folds = 4 trainings" in said
    # The worker of the training notices and saves what it has learned.
    wait_until(lambda: not first.is_running())
    killed_at = saved_steps(first)[-1]
    assert killed_at < STEPS

    with start(study) as command:
        wait_until(lambda: saved_steps(first)[-1] > killed_at)
        command.send_signal(signal.SIGINT)
        said = command.communicate(timeout=60)[0]
    assert command.returncode == 130
    assert "Continuing 001-compare" in said
    assert "Nothing is lost. To continue, run the same command again." in said
    assert not comparison.is_running()
    assert not comparison.is_finished()

    # The rest in this process, which takes a tenth of the time.
    assert FinishedWorker(first).code == EXIT_FINISHED
    capsys.readouterr()
    resumed = [event.resumed_from for event in first.events()[0] if isinstance(event, Started)]
    assert resumed[0] is None
    assert 1 <= resumed[1] <= killed_at < resumed[2]
    assert main(["compare", str(study)]) == 0
    assert "Comparison 001-compare, not finished\nMethod " in capsys.readouterr().out.replace("\r", "")


@pytest.mark.slow
def test_seeds_and_numbers_of_labels_at_the_same_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tiny_study(tmp_path / "study").folder
    more = ["--labels", "1", "--jobs", "2", "--reference", "supervised"]
    assert main([*arguments(study, steps=2), *more]) == 0
    said = capsys.readouterr().out
    assert "2 methods × 2 folds × 1 number of labeled images = 4 trainings" in said
    (comparison,) = comparisons(study)
    assert comparison.is_finished()
    assert {training.labels for training in comparison.trainings()} == {1}
    # The steps of trainings at the same time are not told.
    assert comparison.request().at_once == 2
    assert not [event for event in comparison.events()[0] if isinstance(event, StepDone)]
    header, *rows = said[said.index("Method ") :].splitlines()[:3]
    assert "To Supervised [95 % interval]" in header
    assert rows[0].startswith("Supervised, 1 labeled")
    assert "reference" in rows[0]
    assert f"semi-supervised-seg train {study} --method" in said

    assert main(["compare", str(study), "--reference", "mean_teacher"]) == 0
    assert "To Mean Teacher [95 % interval]" in capsys.readouterr().out
    assert main(["compare", str(study), "--reference", "cps"]) == 2
    assert "cps is not compared" in capsys.readouterr().err


def test_refusals_come_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tiny_study(tmp_path / "study")
    assert main(["compare", str(study.folder)]) == 2
    assert "The study has no comparison to show." in capsys.readouterr().err
    assert main(["compare", str(study.folder), "--methods", "supervised"]) == 2
    assert "at least two methods" in capsys.readouterr().err
    assert main(["compare", str(study.folder), "--methods", *METHODS, "--jobs", "0"]) == 2
    assert "--jobs 1 or more" in capsys.readouterr().err
    assert main(["compare", str(study.folder), "--methods", *METHODS, "--reference", "cps"]) == 2
    assert "The reference cps is not compared" in capsys.readouterr().err
    assert main(["compare", str(study.folder), "--methods", *METHODS, "--on", "nowhere"]) == 2
    assert "no machine 'nowhere'" in capsys.readouterr().err
    main(["study", "change", str(study.folder), study.cases[1].id, "--role", "ignored"])
    assert main(["compare", str(study.folder), "--methods", *METHODS]) == 2
    assert "The study has only one annotated image" in capsys.readouterr().err
    assert not study.layout.comparisons.exists()
