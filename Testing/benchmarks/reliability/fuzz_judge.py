"""How a command ended that was given a fuzzed input."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .fuzz_world import Contents

FINISHED, CLEAR_ERROR = "finished", "clear error"
CRASH, HANG, ESCAPE, LOST, HALF = "CRASH", "HANG", "ESCAPE", "LOST FILE", "HALF-WRITTEN"
OUTCOMES = (FINISHED, CLEAR_ERROR, CRASH, HANG, ESCAPE, LOST, HALF)
_STUDY, _ROUND = r"study/", r"study/rounds/001-supervised/"
_RECORDS = r"(study/rounds/001-supervised|prediction)/(events\.jsonl|status\.json|worker\.lock|worker\.log)"
_ALWAYS = (_RECORDS, r"study/study\.lock", r"study/rounds/rounds\.lock", r"study/cache(/.*)?")
_RESULTS = (
    rf"{_ROUND}(plan|result)\.json",
    rf"{_ROUND}(metrics\.csv|report\.html)",
    rf"{_ROUND}checkpoints/last\.pt",
)
# What a command may change, when it fails and when it does not; both may add files.
_MAY_CHANGE = {
    "worker": ((), _RESULTS),
    "train": ((), _RESULTS),
    "evaluate": ((), (rf"{_ROUND}(metrics\.csv|report\.html)",)),
    "study add": ((), (r"study/study\.json",)),
    "study change": ((), (r"study/study\.json",)),
}
_MAY_ADD = (
    rf"{_ROUND}(plan\.json|result\.json|metrics\.csv|report\.html|(checkpoints|model|predictions|previews)(/.*)?)",
    r"prediction/(result\.json|predictions(/.*)?)",
    r"(exported|created)(/.*)?",
)
_SOME_FAILED = re.compile(r"\d+ of \d+ could not be \w+\.")
_SENTENCE = re.compile(r"(error: )?\S.*[.:]( .*)?")


@dataclass(frozen=True)
class Ended:
    """What a command left behind.

    Attributes:
        command: its name.
        code: of its exit, negative for a signal; None when it was killed after the time allowed.
        output: what it printed.
        errors: what it wrote to standard error.
        before: what was there.
        after: what was there then.
    """

    command: str
    code: int | None
    output: str
    errors: str
    before: Contents
    after: Contents


def judge(ended: Ended) -> tuple[str, str]:
    """Return the outcome and the reason for it."""
    changed = {name for name, content in ended.before.items() if ended.after.get(name) != content}
    # PyTorch makes an empty folder among the temporary files for a compiler that is not used.
    added = {name for name in ended.after if name not in ended.before and "/torchinductor_" not in name}
    outside = sorted(name for name in changed | added if name.startswith(("outside/", "temporary/")))
    if outside:
        return ESCAPE, ", ".join(outside)
    if ended.code is None or ended.code in (-24, -9):
        return HANG, f"exit code {ended.code}"
    if ended.code not in (0, 1, 2) or "Traceback" in ended.errors:
        return CRASH, f"exit code {ended.code}, {_last_line(ended.errors)}"
    half = sorted(name for name in added if "/.tmp-" in name)
    if half:
        return HALF, ", ".join(half)
    lost = sorted(_not_allowed(ended, changed, added))
    if lost:
        return LOST, ", ".join(lost)
    if ended.code == 0:
        return FINISHED, ""
    return _judge_words(ended)


def _judge_words(ended: Ended) -> tuple[str, str]:
    message = _last_line(ended.errors)
    # Commands of many files go on after a failure, and list what failed.
    failed = [line for line in ended.errors.splitlines() if line.startswith("error: ")]
    if ended.code == 1 and _SOME_FAILED.fullmatch(message) and failed and all(map(_SENTENCE.fullmatch, failed)):
        return CLEAR_ERROR, failed[0]
    if ended.code == 1 and ended.command == "study show":
        problems = [line for line in ended.output.splitlines() if line.startswith("Problem: ")]
        return (CLEAR_ERROR, problems[0]) if problems else (CRASH, "exit code 1 without a problem")
    if ended.code != 2 or not _SENTENCE.fullmatch(message):
        return CRASH, f"exit code {ended.code} without a sentence: {message!r}"
    return CLEAR_ERROR, message


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


def _not_allowed(ended: Ended, changed: set[str], added: set[str]) -> set[str]:
    on_failure, on_success = _MAY_CHANGE.get(ended.command, ((), ()))
    allowed = _ALWAYS + on_failure + (on_success if ended.code in (0, 1) else ())
    # The model is written again as a whole, and a prediction that was a link becomes a folder.
    if ended.command in ("worker", "train"):
        allowed += (rf"{_ROUND}model/.*", rf"{_ROUND}predictions/case-001")
    wrong = {name for name in changed if not any(re.fullmatch(pattern, name) for pattern in allowed)}
    for name in added:
        if not any(re.fullmatch(pattern, name) for pattern in allowed + on_success + _MAY_ADD):
            wrong.add(name)
    return wrong
