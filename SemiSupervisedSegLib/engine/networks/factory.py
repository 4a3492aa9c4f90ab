"""Networks by name, as plans, settings and model bundles name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ...planning.plan import Plan
from ...study.errors import UserError
from .base import SegmentationNetwork, Upsampling
from .dynamic_convolution import with_dynamic_convolution
from .embedding import with_embedding
from .folded_unet import folded_unet
from .monai_networks import monai_basic_unet
from .prompted import PromptedNetwork
from .unet2d import unet_2d
from .unet3d import unet_3d
from .vnet import v_net

BUILDERS: dict[str, Callable[..., SegmentationNetwork]] = {
    "unet_2d": unet_2d,
    "v_net": v_net,
    "v_net_instance": partial(v_net, norm="instance", dropout=0.0),
    "unet_3d": unet_3d,
    "folded_unet_2d": partial(folded_unet, 2),
    "folded_unet_3d": partial(folded_unet, 3),
    "monai_basic_unet_2d": partial(monai_basic_unet, 2),
    "monai_basic_unet_3d": partial(monai_basic_unet, 3),
}


def build_network(
    name: str,
    in_channels: int,
    num_classes: int,
    *,
    embedded: bool = False,
    tasks: Sequence[Sequence[int]] = (),
    dynamic: bool = False,
    upsampling: Upsampling | None = None,
) -> SegmentationNetwork:
    """Build a network by its name, with random weights.

    Args:
        name: Key of `BUILDERS`.
        in_channels: Channels of the images (B, in_channels, *spatial).
        num_classes: Classes of the logits (B, num_classes, *spatial), background included.
        embedded: Whether the classifier gets an additional embedding.
        tasks: Class indices of the structures of each task, for a network that segments task by task.
        dynamic: Whether the bottleneck has a convolution whose kernels depend on the image.
        upsampling: Upsampling of the decoder; None is the network's own.

    Raises:
        UserError: No network has this name.
    """
    builder = BUILDERS.get(name)
    if builder is None:
        raise UserError(f'There is no network called "{name}".', f"Choose one of: {', '.join(BUILDERS)}.")
    network = builder(in_channels, num_classes, **({} if upsampling is None else {"upsampling": upsampling}))
    if embedded:
        network = with_embedding(network)
    if dynamic:
        network = with_dynamic_convolution(network)
    return PromptedNetwork(network, num_classes, tasks) if tasks else network


def build_planned_network(plan: Plan) -> SegmentationNetwork:
    """Build the network of a plan, with random weights; raises UserError when there is no such network."""
    spec = plan.network
    return build_network(
        spec.backbone,
        plan.in_channels,
        plan.num_classes,
        embedded=spec.embedded,
        tasks=spec.tasks,
        dynamic=spec.dynamic,
    )
