"""What keeps this PyTorch from the graphics cards of this computer, and which build of it to install."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from ..study.errors import UserError

_DRIVER = Path("/proc/driver/nvidia")
# The first CUDA whose builds of PyTorch know a card, by its compute capability; older cards are left out since 12.8.
_FIRST_CUDA = {(12, 0): "12.8", (10, 0): "12.8", (9, 0): "12.1"}
_LAST_CUDA_FOR_OLD_CARDS = "12.6"
_OLD_CARDS = (7, 0)


def check_version(version: str = torch.__version__) -> None:
    """Raise UserError for a version of PyTorch that trains far too slowly.

    Args:
        version: Version of PyTorch.
    """
    if re.match(r"2\.9(\.|$)", version):
        raise UserError(
            f"PyTorch {version} computes 3D convolutions in half precision four times slower than other versions.",
            'Install another version, for example with: pip install "torch>=2.6,!=2.9.*,<2.14"',
        )


def has_graphics_card() -> bool:
    """Return whether this computer has an NVIDIA graphics card with its driver, usable by this PyTorch or not."""
    return _DRIVER.exists() or shutil.which("nvidia-smi") is not None


def absent_cuda() -> UserError:
    """Return why PyTorch finds no CUDA device, with the build or the driver to install."""
    if not has_graphics_card():
        return UserError(
            "A CUDA device was requested, but none can be used on this computer.",
            'Install the driver of the graphics card, or choose the device "cpu".',
        )
    if torch.version.cuda is None:
        return UserError(
            f"This computer has a graphics card, but PyTorch {torch.__version__} is a build for processors only.",
            "Install a CUDA build of PyTorch, see pytorch.org/get-started/locally.",
        )
    return UserError(
        f"This computer has a graphics card, but its driver does not work with CUDA {torch.version.cuda}, for which "
        f"PyTorch {torch.__version__} was built.",
        "Update the driver of the graphics card, or install a build of PyTorch for an older CUDA.",
    )


def missing_kernels(device: torch.device) -> UserError | None:
    """Return why a CUDA device cannot be used, None when this PyTorch has kernels for it."""
    capability = torch.cuda.get_device_capability(device)
    if has_kernels(capability, torch.cuda.get_arch_list()):
        return None
    name = torch.cuda.get_device_name(device)
    return UserError(
        f"PyTorch {torch.__version__} has no kernels for {name} (compute capability {capability[0]}.{capability[1]}).",
        f"Install a build of PyTorch for CUDA {build_for(capability)}, see pytorch.org/get-started/locally.",
    )


def has_kernels(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Return whether a build of PyTorch has kernels for a card, compiled or to be compiled when they are first used.

    Args:
        capability: Compute capability of the card, such as (8, 6).
        architectures: Architectures of the build, such as "sm_80" (binary, for the same major version and from this
            minor one on) and "compute_90" (for all later cards).
    """
    for architecture in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", architecture)
        if match is None:
            continue
        compiled = int(match[2]), int(match[3])
        if compiled <= capability and (match[1] == "compute" or compiled[0] == capability[0]):
            return True
    return False


def build_for(capability: tuple[int, int]) -> str:
    """Return the CUDA version of a build of PyTorch that knows a card, in words."""
    if capability < _OLD_CARDS:
        return f"{_LAST_CUDA_FOR_OLD_CARDS} or older"
    return next((f"{cuda} or newer" for first, cuda in _FIRST_CUDA.items() if capability >= first), "11.8 or newer")
