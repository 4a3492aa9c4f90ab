"""Where the windows of an image are put together: in the memory of the graphics card, or in main memory."""

from __future__ import annotations

import torch

from ...study.memory import check_memory

_FLOAT = 4
# The image, how often each voxel was predicted in both predictions, and what is computed from their maps until they are
# written: 85 bytes a voxel were measured for three classes.
_OTHER_MAPS = 13
# The other half is for the windows in the network.
_SHARE = 0.5


def blending_device(device: torch.device, voxels: int, num_classes: int) -> torch.device:
    """Return where both predictions of an image are put together.

    That is where the network is; for images too large for the memory of the graphics card it is the main memory, into
    which only the windows come back from the card.

    Args:
        device: Device of the network.
        voxels: Number of voxels of the image on the plan's grid.
        num_classes: Number of classes C.

    Raises:
        UserError: The main memory is too small as well.
    """
    # Both predictions have C maps each, and a map of one of them is copied.
    needed = _FLOAT * voxels * (3 * num_classes + _OTHER_MAPS)
    if device.type == "cuda" and needed <= _SHARE * _free(device):
        return device
    if device.type not in ("cpu", "cuda"):
        return device
    check_memory(
        f"The segmentation of an image of {voxels:,} voxels",
        needed,
        "Close other programs, crop the image, or train with a lower in_plane_scale.",
    )
    return torch.device("cpu")


def _free(device: torch.device) -> int:
    free, _ = torch.cuda.mem_get_info(device)
    # PyTorch keeps memory that its tensors do not use any more.
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
