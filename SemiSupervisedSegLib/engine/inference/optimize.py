"""A network in the form in which it predicts fastest."""

from __future__ import annotations

import copy
import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..device import in_memory_format

Network = TypeVar("Network", bound=nn.Module)


def optimize_for_inference(network: Network) -> Network:
    """Return a copy of a network for prediction, in evaluation mode; its answers are the same but for rounding.

    Batch normalisations right after a convolution become part of it, which spares them a pass over every map, and the
    weights are in the memory order in which convolutions are fastest on a processor and on a graphics card. The copy
    takes as long as a few windows, so one serves for all cases.
    """
    fast = copy.deepcopy(network).eval()
    for module in list(fast.modules()):
        if isinstance(module, nn.Sequential):
            _merge_normalizations(module)
    for module in fast.modules():
        if isinstance(module, _ConvNd):
            in_memory_format(module, _memory_format(module))
    return fast


def _merge_normalizations(layers: nn.Sequential) -> None:
    for (name, layer), (next_name, following) in itertools.pairwise(list(layers.named_children())):
        # Without running statistics it normalises by the images at hand, which no weights can do.
        if isinstance(layer, _ConvNd) and isinstance(following, _BatchNorm) and following.track_running_stats:
            setattr(layers, name, fuse_conv_bn_eval(layer, following, isinstance(layer, _ConvTransposeNd)))
            setattr(layers, next_name, nn.Identity())


def _memory_format(layer: _ConvNd) -> torch.memory_format:
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    return formats.get(len(layer.kernel_size), torch.contiguous_format)
