"""Run a prediction in shards to its end, with the progress of all of them together."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..jobs.executor import Executor
from ..jobs.folder import JobFolder
from ..jobs.sharded_prediction import ShardedPrediction
from .show_progress import ProgressPrinter

_POLL_SECONDS = 0.1


def run_shards(folder: JobFolder, executor: Executor, count: int) -> dict[str, Any]:
    """Segment what is left of a prediction, print the progress and return the content of its result.json.

    The first interrupt (Ctrl-C) lets every shard end after the image that it is at, the second one ends at once.

    Args:
        folder: Folder of the prediction with its job.json.
        executor: Place where the shards run.
        count: Number of shards.

    Raises:
        UserError: No image could be segmented, or a file cannot be written.
        KeyboardInterrupt: The prediction was stopped before its end.
    """
    printer = ProgressPrinter(sys.stdout)
    with folder.lock():
        folder.clear_cancel()
        prediction = ShardedPrediction(folder, executor, count, printer.show)
        prediction.submit()
        try:
            _follow(prediction, folder, executor, printer)
        finally:
            printer.close()
        result = prediction.finish()
    if result is None:
        printer.note("Stopped; the same command resumes it.")
        raise KeyboardInterrupt
    return result


def _follow(prediction: ShardedPrediction, folder: JobFolder, executor: Executor, printer: ProgressPrinter) -> None:
    is_stopping = has_ended = False
    while not has_ended:
        try:
            has_ended = prediction.advance()
            for notice in executor.notices():
                printer.note(notice)
            if not is_stopping and folder.cancel_requested():
                is_stopping = True
                executor.cancel()
                printer.note("Stopping after the images that are being segmented. Interrupt once more to end at once.")
            time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            if is_stopping:
                raise
            folder.request_cancel()
