"""The most memory of a process; apart from the rest, as it brings nothing into the process."""

from __future__ import annotations

from pathlib import Path


def peak_megabytes() -> float:
    """Return the most memory that this process has had so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would also count what the parent had when it started this process.
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
