"""Import the module and its panel as Slicer does, and print the seconds as JSON; started by start_up.py."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...slicer_stand_in import desktop

FILE = Path(__file__).resolve().parents[3] / "SemiSupervisedSeg" / "SemiSupervisedSeg.py"


def timed(name: str, work: Callable[[], object]) -> dict[str, float]:
    """Time some work by the clock and by the processor."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return {name: time.perf_counter() - start, f"{name}_cpu": time.process_time() - used}


def import_file() -> None:
    """Import the file of the module as Slicer does."""
    spec = importlib.util.spec_from_file_location(FILE.stem, FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[FILE.stem] = module
    spec.loader.exec_module(module)


def import_packages() -> None:
    """Import what the panel needs beside Slicer; other modules of Slicer use it as well."""
    for name in ("numpy", "SimpleITK"):
        importlib.import_module(name)


def main() -> None:
    """Import one after another."""
    desktop.start()
    times = timed("module", import_file) | timed("packages", import_packages)
    times |= timed("panel", lambda: importlib.import_module("SemiSupervisedSegLib.panel.widget"))
    print(json.dumps({**times, "torch": float("torch" in sys.modules)}))


if __name__ == "__main__":
    main()
