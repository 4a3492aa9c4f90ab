"""A worker beside a program that the user works with: it leaves a core free, and never keeps others waiting."""

from __future__ import annotations

import os
import sys

_NICENESS = 10
_BELOW_NORMAL_PRIORITY_CLASS = 0x4000


def share_processor() -> None:
    """Let this process use all cores but one, at a lower priority; call it before PyTorch is imported.

    Between two parallel loops the threads of OpenMP spin, to be back sooner. Where another program needs a core, all
    of them then wait for the one that does not get it, and a step takes several times as long as with a single thread.
    What the user has set in the environment stays.
    """
    for name, value in environment(available_cores()).items():
        os.environ.setdefault(name, value)
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(_NICENESS)


def environment(cores: int) -> dict[str, str]:
    """Return the environment variables of a process that leaves one of some cores free, and whose threads sleep."""
    threads = str(max(1, cores - 1))
    return {
        "OMP_NUM_THREADS": threads,
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": threads,
        # GNU's OpenMP, which PyTorch has on Linux, and LLVM's and Intel's, which it has on macOS and Windows.
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
    }


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
