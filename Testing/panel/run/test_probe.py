"""The question to the worker's Python what there is to train on."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from SemiSupervisedSegLib.panel.run.probe import DeviceProbe


def test_the_real_answer(services: Any, spin: Any) -> None:
    before = "torch" in sys.modules
    probe = DeviceProbe(services)
    probe.start()
    assert probe.running
    spin(lambda: not probe.running, 90)
    assert probe.problem == ""
    processor = probe.devices[-1]
    assert processor.is_processor
    assert processor.speed > 0
    assert 0 < processor.free < processor.total
    assert "GB of memory free" in processor.in_words()
    assert ("torch" in sys.modules) == before, "tests of the engine may run in the same process, and go first"


@pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'ImportError: libcudart is missing' >&2; exit 1", "libcudart is missing"),
        ("echo hello", "no reason"),
        ("printf '\\377\\376'; exit 3", "no reason"),
    ],
)
def test_a_python_that_does_not_answer(services: Any, spin: Any, tmp_path: Path, script: str, words: str) -> None:
    services.pythonExecutable = _program(tmp_path / "python", script)
    probe = DeviceProbe(services)
    ends = []
    probe.done.connect(lambda: ends.append(1))
    probe.start()
    spin(lambda: ends, 10)
    assert words in probe.problem
    assert probe.devices == ()


def test_a_python_that_is_not_there(services: Any, spin: Any) -> None:
    services.pythonExecutable = "/nowhere/python"
    probe = DeviceProbe(services)
    probe.start()
    spin(lambda: not probe.running, 10)
    assert "could not be started" in probe.problem


@pytest.mark.skipif(os.name == "nt", reason="scripts that are programs")
@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_question_that_nobody_waits_for_ends_with_all_that_it_started(
    services: Any, spin: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], seconds: float
) -> None:
    services.pythonExecutable = _program(tmp_path / "python", "sleep 100 &\nsleep 100")
    probe, before = DeviceProbe(services), set(psutil.Process().children(recursive=True))
    probe.start()
    end = time.monotonic() + seconds
    spin(lambda: time.monotonic() >= end)
    probe.cancel()
    spin(lambda: set(psutil.Process().children(recursive=True)) <= before)
    assert not probe.running
    assert capfd.readouterr().err == ""


def _program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
