"""The devices that the worker's Python can train on, described for the user."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

_GIGA = 1e9


@dataclass(frozen=True)
class DeviceInfo:
    """A device as the probe saw it.

    Attributes:
        name: Name of the device in a job, `cpu` or `cuda:N`.
        title: Title for the user.
        free: Free memory in bytes, 0 when it is not known.
        total: Total memory in bytes, 0 when it is not known.
        speed: GFLOP/s of the convolutions of training.
        half: Whether it trains in half precision.
        problem: Reason why it cannot be used, empty when it can.
    """

    name: str
    title: str
    free: int
    total: int
    speed: float
    half: bool
    problem: str = ""

    @property
    def is_processor(self) -> bool:
        """Whether it is the processor and no graphics card."""
        return self.name == "cpu"

    @property
    def short_title(self) -> str:
        """The title where there is little room."""
        return self.title.removeprefix("NVIDIA ").removesuffix(" Generation")

    def in_words(self) -> str:
        """Describe the device with its free memory and its problem, if any."""
        free = f"{self.free / _GIGA:.1f} GB of memory free" if self.free else "free memory not known"
        slow = " No graphics card is used, so training is much slower." if self.is_processor else ""
        return f"{self.title}: {free}.{slow}"


def problems_in_words(devices: Sequence[DeviceInfo]) -> str:
    """Return why devices cannot be used, empty when all can."""
    return " ".join(f"{info.title}: {info.problem}" for info in devices if info.problem)


def read_devices(text: str) -> tuple[DeviceInfo, ...]:
    """Return the devices of the probe's output; raises ValueError when it is none."""
    try:
        # Other programs may have printed before it.
        entries = json.loads(text.strip().splitlines()[-1])["devices"]
        return tuple(
            DeviceInfo(
                name=str(entry["name"]),
                title=str(entry["title"]),
                free=int(entry["free"]),
                total=int(entry["total"]),
                speed=float(entry["speed"]),
                half=entry["dtype"] != "float32",
                problem=str(entry["problem"]),
            )
            for entry in entries
        )
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError("the probe's output has no devices") from error
