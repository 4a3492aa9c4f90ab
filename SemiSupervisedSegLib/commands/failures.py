"""Commands over many files continue after a failure and list what failed at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..study.errors import UserError

EXIT_SOME_FAILED = 1


def report_failures(failures: Sequence[UserError], total: int, what: str) -> int:
    """Print what failed, and return the exit code: 0 when nothing did, else 1.

    Args:
        failures: Error of each file that failed, naming it.
        total: Number of files, with those that succeeded.
        what: Participle of what was not done, such as "exported".
    """
    if not failures:
        return 0
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    print(f"{len(failures)} of {total} could not be {what}.", file=sys.stderr)
    return EXIT_SOME_FAILED
