"""The workers of a sweep: rounds after another or at once, with progress, until all are done or it is stopped."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from SemiSupervisedSegLib.jobs.event_text import format_duration
from SemiSupervisedSegLib.jobs.events import Progress, StageStarted, StepDone
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.launcher import WorkerProcess, worker_arguments, worker_environment
from SemiSupervisedSegLib.jobs.outcome import determine_outcome
from SemiSupervisedSegLib.study.errors import UserError

from . import public_loop
from .sweep_cells import Cell, is_finished

_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_LINES = 30.0
# Less of the work done says too little about the rest.
_ENOUGH_TO_ESTIMATE = 0.01


@dataclass
class Task:
    """A cell with its round; `steps` is the length of its training, `done` the share of it that is done."""

    cell: Cell
    folder: JobFolder
    steps: int
    done: float = 0.0
    problem: str = ""


@dataclass
class _Running:
    task: Task
    worker: WorkerProcess
    slot: int
    doing: str = "starting"


@dataclass
class SweepRun:
    """Runs tasks on slots; each slot is a set of environment variables for one worker at a time."""

    tasks: list[Task]
    slots: list[Mapping[str, str]]
    stops: int = 0
    _running: list[_Running] = field(default_factory=list)
    _line: str = ""

    def stop(self) -> None:
        """Request a checkpoint and the end of all workers; the second call ends them at once."""
        self.stops += 1

    def run(self) -> bool:
        """Work until everything is done, or stopped; return whether everything was done."""
        waiting = deque(task for task in self.tasks if task.done < 1)
        planned = self._work_left(waiting)
        began, printed, stops = time.monotonic(), 0.0, 0
        while waiting or self._running:
            if self.stops > stops:
                stops = self.stops
                self._obey_stop()
            if not stops:
                self._fill(waiting)
            self._follow()
            now = time.monotonic()
            if sys.stdout.isatty() or now - printed >= _SECONDS_BETWEEN_LINES:
                printed = now
                self._show(now - began, planned, self._work_left(waiting))
            if stops and not self._running:
                break
            time.sleep(_POLL_SECONDS)
        self._note("")
        return not stops

    def _fill(self, waiting: deque[Task]) -> None:
        free = set(range(len(self.slots))) - {running.slot for running in self._running}
        for slot in sorted(free):
            # A worker that outlived an earlier sweep still saves its checkpoint.
            task = next((task for task in waiting if not task.folder.is_running()), None)
            if task is None:
                return
            waiting.remove(task)
            environment = worker_environment({**os.environ, **self.slots[slot]})
            try:
                worker = WorkerProcess(task.folder, [sys.executable, *_arguments(task)], environment=environment)
            except UserError as error:
                self._fail(task, str(error))
                continue
            self._running.append(_Running(task, worker, slot))
            self._note(f"Begin: {task.cell} ({task.folder.path.parents[1].name}/{task.folder.name})")

    def _follow(self) -> None:
        for running in list(self._running):
            # Checked before reading, so that the last events are not lost.
            code = running.worker.poll()
            for event in running.worker.new_events():
                match event:
                    case StageStarted():
                        running.doing = event.title
                    case StepDone():
                        running.doing = f"step {event.step} of {event.total_steps}"
                        running.task.done = min(event.step / max(event.total_steps, 1), 0.99)
                    case Progress():
                        running.doing = f"{running.doing.split(':')[0]}: {event.done} of {event.total}"
            if code is not None:
                self._running.remove(running)
                self._judge(running, code)

    def _judge(self, running: _Running, code: int) -> None:
        task = running.task
        outcome = determine_outcome(task.folder, code, running.worker.all_events())
        if outcome.kind == "finished" and is_finished(task.folder):
            task.done = 1.0
            dice = outcome.result["mean_dice"]["final"]
            self._note(f"Done: {task.cell}" + ("" if dice is None else f", mean Dice {dice:.3f}"))
        elif outcome.kind == "stopped":
            self._note(f"Stopped: {task.cell}. {outcome.message}")
        elif self.stops < 2:
            self._fail(task, f"{outcome.message} {outcome.advice}".strip() or "The round has no scores.")

    def _fail(self, task: Task, problem: str) -> None:
        task.problem = problem
        self._note(f"FAILED: {task.cell}: {problem}")

    def _obey_stop(self) -> None:
        if self.stops == 1:
            self._note("Stopping: workers save their checkpoints. Interrupt once more to end them at once.")
        for running in self._running:
            if self.stops == 1:
                running.worker.folder.request_cancel()
            else:
                running.worker.kill_tree()

    def _work_left(self, waiting: Iterable[Task]) -> float:
        tasks = [*waiting, *(running.task for running in self._running)]
        return sum(task.steps * (1 - task.done) for task in tasks)

    def _show(self, elapsed: float, planned: float, left: float) -> None:
        done = sum(task.done >= 1 for task in self.tasks)
        share = 1 - left / planned if planned else 1.0
        estimate = (
            f", about {format_duration(elapsed / share * (1 - share))} left" if share >= _ENOUGH_TO_ESTIMATE else ""
        )
        doing = "; ".join(f"{running.task.cell}: {running.doing}" for running in self._running)
        text = f"{done} of {len(self.tasks)} rounds done{estimate}. {doing}"
        if not sys.stdout.isatty():
            print(text, flush=True)
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        print("\r" + text.ljust(len(self._line)), end="", flush=True)
        self._line = text

    def _note(self, text: str) -> None:
        if self._line:
            print("\r" + " " * len(self._line) + "\r", end="")
            self._line = ""
        if text:
            print(text, flush=True)


def _arguments(task: Task) -> list[str]:
    if task.cell.row.loop == "public":
        return public_loop.arguments(task.folder)
    return worker_arguments(task.folder)


def worker_slots(jobs: int, device: str, gpus: int, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Environment variables for each of several workers at once: a GPU of its own, or its share of the cores.

    Args:
        jobs: how many workers at once.
        device: of the jobs, as in a job; `cuda:N` leaves all on that GPU.
        gpus: how many this process sees.
        environment: of this process, whose GPUs and threads are respected.
    """
    if gpus and device in ("auto", "cuda"):
        visible = environment.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
        names = visible.split(",")
        return [{"CUDA_VISIBLE_DEVICES": names[job % len(names)]} for job in range(jobs)]
    if jobs == 1 or "OMP_NUM_THREADS" in environment or device.startswith("cuda"):
        return [{} for _ in range(jobs)]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return [{"OMP_NUM_THREADS": str(threads)} for _ in range(jobs)]
