"""Description of the machine of a benchmark: hardware and the versions that figures depend on, without its name."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

_INSTRUCTIONS = {"avx2": "AVX2", "avx512_f": "AVX-512", "avx512_bf16": "AVX-512 bfloat16", "amx_bf16": "AMX bfloat16"}


def describe_machine() -> str:
    """Return two lines: processor, cores this process may use, instructions, memory and GPU; and versions."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB of memory"
    hardware = (_processor(), f"{_cores()} cores", _instructions(), memory, _graphics_card())
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, MONAI {version('monai')}"
    return f"{', '.join(hardware)}\n{versions}, {platform.system()}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cores() -> int:
    """Return the cores that this process may use; a container often has fewer than the processor."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _instructions() -> str:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found = [words for name, words in _INSTRUCTIONS.items() if capabilities.get(name)]
    missing = [words for name, words in _INSTRUCTIONS.items() if name in capabilities and not capabilities[name]]
    description = f"with {', '.join(found)}" if found else "with unknown vector instructions"
    return f"{description} (no {', '.join(missing)})" if missing else description


def _graphics_card() -> str:
    if not torch.cuda.is_available():
        return "no GPU"
    properties = torch.cuda.get_device_properties(0)
    return f"GPU {properties.name} with {properties.total_memory / 2**30:.0f} GiB"


if __name__ == "__main__":
    print(describe_machine())
