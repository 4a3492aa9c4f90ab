"""The command line: `semi-supervised-seg`, or `python -m SemiSupervisedSegLib`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from . import __version__
from .commands import compare, demo, evaluate, export, machine, methods, predict, study, train, worker
from .study.errors import UserError

_COMMANDS = (study, methods, train, compare, predict, evaluate, export, machine, demo, worker)
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
"""128 + SIGPIPE, as shells say it of programs whose output is not read any more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 for success, 2 for a user's error, 130 when it was interrupted.

    1 says that some of several files failed, and 141 that the output was not read to its end.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter, as with LANG=C or on Windows, gets its number.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parse(arguments)
        code: int = options.run(options)
        _flush_output()
        return code
    except BrokenPipeError:
        # Nothing reads any more, as behind `| head`; Python would say so once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CLOSED_PIPE
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    try:
        return make_parser().parse_args(arguments)
    except SystemExit:
        # Of --help, which has printed.
        _flush_output()
        raise


def _flush_output() -> None:
    # The reader of a pipe may be gone, which has to show here and not when the process ends.
    if sys.stdout is not None:
        sys.stdout.flush()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="semi-supervised-seg",
        description="Segment medical images by training on a few annotated and many unannotated ones.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
