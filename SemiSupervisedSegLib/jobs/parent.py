"""Notice that the process that started this one is gone."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

_STANDARD_INPUT = 0


def watch_parent(on_lost: Callable[[], None]) -> threading.Thread:
    """Call `on_lost` in a thread of its own when standard input ends.

    That happens when the parent ends, however it does: it holds the other end of the pipe open and writes nothing.
    """

    def watch() -> None:
        _wait_for_parent()
        on_lost()

    thread = threading.Thread(target=watch, name="parent watch", daemon=True)
    thread.start()
    return thread


if sys.platform == "win32":

    def _wait_for_parent() -> None:
        # A blocked read would hold the handle's lock, on which other libraries wait when they use standard input.
        import ctypes
        import msvcrt

        try:
            handle = msvcrt.get_osfhandle(_STANDARD_INPUT)
        except OSError:
            return
        while ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, None, None):
            time.sleep(1.0)

else:

    def _wait_for_parent() -> None:
        # Not sys.stdin: its buffer would be locked while the interpreter shuts down.
        try:
            while os.read(_STANDARD_INPUT, 4096):
                pass
        except OSError:
            # Standard input is closed: no process holds the other end.
            return
