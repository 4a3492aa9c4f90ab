"""Where and in which precision a job computes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from ..study.errors import UserError
from .graphics_cards import absent_cuda, check_version, missing_kernels

# `Device` has an attribute named torch.
Dtype = torch.dtype
Module = TypeVar("Module", bound=nn.Module)
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Device:
    """A device and the precision of its forward passes.

    Attributes:
        torch: Device of all tensors.
        dtype: Type of the computations: float32, or the half precision of autocast.
    """

    torch: torch.device
    dtype: Dtype

    @property
    def title(self) -> str:
        """Description of the device for the user, with its memory in GB where it has memory of its own."""
        if self.torch.type != "cuda":
            threads = torch.get_num_threads()
            return f"CPU ({threads} thread{'' if threads == 1 else 's'}, {self._precision})"
        properties = torch.cuda.get_device_properties(self.torch)
        return f"{properties.name} ({properties.total_memory / 1e9:.0f} GB, {self._precision})"

    @property
    def _precision(self) -> str:
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    @property
    def needs_scaler(self) -> bool:
        """Whether gradients must be scaled because float16 would lose small ones."""
        return self.dtype == torch.float16

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Return a fresh autocast context, which does nothing in float32."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.torch.type, dtype=self.dtype)


def choose_device(name: str, precision: str = "auto", threads: int = 0) -> Device:
    """Turn a user's choice into a device.

    Args:
        name: "auto" (a CUDA device if there is one), "cpu", "cuda" or "cuda:N".
        precision: "auto" takes half precision where the hardware computes it natively.
        threads: Number of threads of the CPU; 0 keeps torch's default.

    Raises:
        UserError: CUDA was requested and is absent; training never moves to the CPU silently.
    """
    check_version()
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        _check_cuda(device)
        # Patches have one size, so the fastest convolution kernels are worth a search.
        torch.backends.cudnn.benchmark = True
    if precision == "auto":
        return Device(device, _native_half(device))
    if precision == "float16" and device.type == "cpu":
        raise UserError("The CPU cannot train in float16.", 'Set "precision" to "auto" or "float32".')
    return Device(device, _DTYPES[precision])


def _check_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        raise absent_cuda()
    if device.index is not None and device.index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f'There is no device "{device}"; this computer has {count}.', 'Choose "cuda:0" or "cpu".')
    problem = missing_kernels(device)
    if problem is not None:
        raise problem


def in_memory_format(module: Module, memory_format: torch.memory_format) -> Module:
    """Return a module whose weights were brought into a memory format, in place."""
    # PyTorch documents this argument, and its annotations leave it out.
    return module.to(memory_format=memory_format)  # type: ignore[call-overload]


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error says that the memory of the device, or the main memory, does not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU allocator of torch raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _native_half(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        # Before Ampere (compute capability 8.0) bfloat16 is emulated.
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    # Without bfloat16 instructions a convolution is ten times slower in bfloat16 than in float32 (measured on AVX2).
    return torch.bfloat16 if _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        # Otherwise PyTorch was limited to older instructions than the processor has (ATEN_CPU_CAPABILITY).
        return torch.backends.cpu.get_cpu_capability() == "AVX512"
    return bool(capabilities.get("bf16"))
