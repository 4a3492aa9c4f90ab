"""What this computer can train on, as JSON on standard output: run by the panel in a separate process.

python -m SemiSupervisedSegLib.engine.device_probe
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from ..study.memory import main_memory
from .device import choose_device, in_memory_format

_GIGA = 1e9
_CHANNELS, _SIDE, _BATCH = 64, 96, 4
_SECONDS = 0.3


def devices() -> list[dict[str, Any]]:
    """Return all devices, the default of `auto` first.

    Each has its `name` in a job, `title`, `dtype` of its forward passes, `speed` in GFLOP/s of a convolution as the
    networks have them, `free` and `total` memory in bytes; `problem` says why a graphics card cannot be used.
    """
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [_describe(name) for name in [*names, "cpu"]]


def _describe(name: str) -> dict[str, Any]:
    device = choose_device(name)
    entry = {"name": name, "dtype": str(device.dtype).removeprefix("torch."), "speed": 0.0, "problem": ""}
    try:
        free, total = torch.cuda.mem_get_info(device.torch) if name != "cpu" else main_memory()
        entry["speed"] = _convolution_speed(device.torch, device.dtype)
    except RuntimeError as error:
        # Another program has taken all of the card, or its driver does not fit.
        return entry | {"title": device.title, "free": 0, "total": 0, "problem": str(error).splitlines()[0]}
    return entry | {"title": _title(name), "free": free, "total": total}


def _title(name: str) -> str:
    if name != "cpu":
        return torch.cuda.get_device_name(torch.device(name))
    threads = torch.get_num_threads()
    return f"Processor ({threads} {'core' if threads == 1 else 'cores'})"


def _convolution_speed(device: torch.device, dtype: torch.dtype) -> float:
    """Return GFLOP/s of a 3x3 convolution with the channels-last layout of training."""
    layer = torch.nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(device, dtype)
    in_memory_format(layer, torch.channels_last)
    images = torch.rand(_BATCH, _CHANNELS, _SIDE, _SIDE, device=device, dtype=dtype)
    images = images.contiguous(memory_format=torch.channels_last)
    work = 2 * 9 * _CHANNELS**2 * _BATCH * _SIDE**2
    with torch.inference_mode():
        # The first calls search for the fastest kernel.
        for _ in range(3):
            layer(images)
        _wait(device)
        began, runs = time.perf_counter(), 0
        while (spent := time.perf_counter() - began) < _SECONDS:
            layer(images)
            _wait(device)
            runs += 1
    return work * runs / spent / _GIGA


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    print(json.dumps({"torch": torch.__version__, "devices": devices()}))
