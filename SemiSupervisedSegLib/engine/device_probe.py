"""What this computer can train on, as JSON on standard output: run by the panel in a separate process.

python -m SemiSupervisedSegLib.engine.device_probe
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch

from ..study.errors import UserError
from ..study.memory import main_memory
from .device import Device, choose_device, in_memory_format
from .graphics_cards import absent_cuda, has_graphics_card

_GIGA = 1e9
_CHANNELS, _SIDE, _BATCH = 64, 96, 4
_CHANNELS_3D, _SIDE_3D = 16, 16
_SECONDS = 0.3


def devices() -> list[dict[str, Any]]:
    """Return all devices, the default of `auto` first.

    Each has its `name` in a job, `title`, `dtype` of its forward passes, `speed` in GFLOP/s of a convolution as the
    networks have them, `free` and `total` memory in bytes; `problem` says why a graphics card cannot be used.
    """
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    found = [_describe(name) for name in [*names, "cpu"]]
    if not names and has_graphics_card():
        found.append(_unusable("cuda", "Graphics card", str(absent_cuda())))
    return found


def _describe(name: str) -> dict[str, Any]:
    try:
        device = choose_device(name)
        free, total = torch.cuda.mem_get_info(device.torch) if name != "cpu" else main_memory()
        speed = _convolution_speed(device.torch, device.dtype)
        _train_a_step(device)
    except UserError as error:
        return _unusable(name, _title(name), str(error))
    except RuntimeError as error:
        # Another program has taken all of the card, or its driver does not fit.
        return _unusable(name, _title(name), str(error).splitlines()[0])
    dtype = str(device.dtype).removeprefix("torch.")
    return {
        "name": name,
        "title": _title(name),
        "dtype": dtype,
        "speed": speed,
        "free": free,
        "total": total,
        "problem": "",
    }


def _unusable(name: str, title: str, problem: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "dtype": "float32",
        "speed": 0.0,
        "free": 0,
        "total": 0,
        "problem": problem,
    }


def _train_a_step(device: Device) -> None:
    """Run a 3D convolution forward and backward in the precision of training; raises RuntimeError where that fails."""
    layer = torch.nn.Conv3d(1, _CHANNELS_3D, 3, padding=1).to(device.torch)
    images = torch.rand(1, 1, *(_SIDE_3D,) * 3, device=device.torch)
    with device.autocast():
        loss = layer(images).float().square().mean()
    loss.backward()
    _wait(device.torch)
    if layer.weight.grad is None or not layer.weight.grad.isfinite().all():
        raise RuntimeError("A 3D convolution has no finite gradients on this device.")


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
