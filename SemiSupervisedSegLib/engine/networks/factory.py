"""Networks by name, as plans, settings and model bundles name them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...study.errors import UserError
from .base import SegmentationNetwork, Upsampling
from .embedding import SUFFIX, with_embedding
from .monai_networks import monai_basic_unet
from .prompted import TASKS, PromptedNetwork, read_tasks
from .unet2d import unet_2d
from .unet3d import unet_3d
from .vnet import v_net

BUILDERS: dict[str, Callable[..., SegmentationNetwork]] = {
    "unet_2d": unet_2d,
    "v_net": v_net,
    "v_net_instance": partial(v_net, norm="instance", dropout=0.0),
    "unet_3d": unet_3d,
    "monai_basic_unet_2d": partial(monai_basic_unet, 2),
    "monai_basic_unet_3d": partial(monai_basic_unet, 3),
}


def build_network(
    name: str, in_channels: int, num_classes: int, *, upsampling: Upsampling | None = None
) -> SegmentationNetwork:
    """Build a network by its name, with random weights.

    Args:
        name: a key of `BUILDERS`, followed by "_embedded" for one whose classifier has an embedding of its own, or by
            what `prompted.tasks_suffix` returns for one that is asked for tasks.
        in_channels: channels of the images (B, in_channels, *spatial).
        num_classes: classes of the logits (B, num_classes, *spatial), background included.
        upsampling: of the decoder; None is the network's own.

    Raises:
        UserError: no network has this name.
    """
    backbone, mark, tasks = name.partition(TASKS)
    if mark:
        network = build_network(backbone, in_channels, num_classes, upsampling=upsampling)
        return PromptedNetwork(network, num_classes, read_tasks(tasks, num_classes))
    plain = name.removesuffix(SUFFIX)
    builder = BUILDERS.get(plain)
    if builder is None:
        raise UserError(f'There is no network called "{name}".', f"Choose one of: {', '.join(BUILDERS)}.")
    network = builder(in_channels, num_classes, **({} if upsampling is None else {"upsampling": upsampling}))
    return network if plain == name else with_embedding(network)
