"""A network that is prompted with one task at a time: its last layers are generated for every image (UniSeMi)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..tensors import append_axes, promote
from .base import SegmentationNetwork
from .layers import BATCH_NORM, CONVOLUTION
from .output import NetworkOutput

WIDTH = 8
"""Channels of the dynamic layers."""
NO_CHANNEL = -1e4
"""Logit of a channel that a task does not have: probability 0, and gradients stay finite."""
SMALLEST = 1e-8


class PromptFeatures(NamedTuple):
    """What all prompts of an image share, so that encoder and decoder run once for all of them.

    Attributes:
        embedding: Pooled bottleneck (B, L).
        reduced: Maps f_D (B, WIDTH, *spatial) of equation 2.
        bottleneck: Maps (B, L, *coarse) as in `NetworkOutput`.
        decoder_half: Maps (B, L, *half) as there.
        decoder_full: Maps (B, L, *spatial) as there.
    """

    embedding: Tensor
    reduced: Tensor
    bottleneck: Tensor
    decoder_half: Tensor
    decoder_full: Tensor

    def split(self, sizes: Sequence[int]) -> list[PromptFeatures]:
        """Return the inputs of consecutive parts of the batch."""
        return [PromptFeatures(*parts) for parts in zip(*(maps.split(sizes) for maps in self), strict=True)]


class DynamicHead(nn.Module):
    """Three pointwise layers with weights w_k = psi(GAP(embedding) / sqrt(L), prompt k), equations 1 and 2 of UniSeMi.

    The root of L, the number of channels, is not in the paper.

    With two outputs the controller makes 162 weights an image: two layers 8 to 8 with ReLU, and one 8 to 2.

    Args:
        dimensions: Number of dimensions, 2 or 3.
        bottleneck_channels: Number of channels L of the bottleneck.
        channels: Number of channels of the decoder's last map.
        prompts: Number of prompts.
        outputs: Number of channels of the answer.
    """

    def __init__(self, dimensions: int, bottleneck_channels: int, channels: int, prompts: int, outputs: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        normalization = BATCH_NORM[dimensions]
        self.prompts = prompts
        self._layers = [(WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, outputs)]
        self.embedding = nn.Sequential(normalization(bottleneck_channels), nn.ReLU())
        self.reduce = nn.Sequential(normalization(channels), nn.ReLU(), convolution(channels, WIDTH, 1))
        self.controller = nn.Linear(
            bottleneck_channels + prompts, sum((before + 1) * after for before, after in self._layers)
        )

        self._start_with_own_layers()

    def _start_with_own_layers(self) -> None:
        """Give each prompt three layers of its own, initialised as layers are (He), which the image changes little.

        As initialised by default, the made layers would be so weak that training begins after hundreds of steps, and
        the same for all prompts. The sources say nothing of it.
        """
        columns = []
        for before, after in self._layers:
            kernels = torch.randn(before * after, self.prompts) * (2 / before) ** 0.5
            columns += [kernels, torch.zeros(after, self.prompts)]
        with torch.no_grad():
            self.controller.weight[:, -self.prompts :] = torch.cat(columns)

    def prepare(self, bottleneck: Tensor, decoder_half: Tensor, decoder_full: Tensor) -> PromptFeatures:
        """Return the features that all prompts of an image share.

        Args:
            bottleneck: Maps (B, L, *coarse) of the last encoder stage.
            decoder_half: Maps (B, L, *half) of the decoder stage at half resolution.
            decoder_full: Maps (B, L, *spatial) of the last decoder stage.
        """
        embedding = self.embedding(bottleneck).flatten(2).mean(dim=2)
        # Adam moves all L columns of the controller by the same amount at once, which moves what is made from them L
        # times as much and ends in prompts that answer nothing. Divided by the root of L, as in attention, it is less.
        embedding = embedding / embedding.shape[1] ** 0.5
        return PromptFeatures(embedding, self.reduce(decoder_full), bottleneck, decoder_half, decoder_full)

    def forward(self, inputs: PromptFeatures, prompts: Tensor) -> Tensor:
        """Return logits (B, outputs, *spatial) for the prompts (B,), one per image."""
        one_hot = nn.functional.one_hot(prompts, self.prompts).to(inputs.embedding)
        weights = self.controller(torch.cat([inputs.embedding, one_hot], dim=1))
        sizes = [size for before, after in self._layers for size in (before * after, after)]
        parts = weights.split(sizes, dim=1)
        maps = inputs.reduced.flatten(2)
        for layer, (before, after) in enumerate(self._layers):
            kernel, bias = parts[2 * layer].unflatten(1, (after, before)), parts[2 * layer + 1]
            maps = torch.baddbmm(bias.unsqueeze(2).to(maps), kernel.to(maps), maps)
            maps = maps.relu() if layer < len(self._layers) - 1 else maps
        return maps.unflatten(2, inputs.reduced.shape[2:])


class PromptedNetwork(SegmentationNetwork):
    """Encoder and decoder of another network with a dynamic head; without a prompt it answers for every task.

    Prompt k < K is task k; the last one, K, is the synthetic task "any structure". Channel 0 of an answer is the
    background, channel j the j-th structure of the task.

    Args:
        backbone: Network whose head is replaced.
        num_classes: Number of classes of the merged prediction, background included.
        tasks: Class indices of the structures of each task.
    """

    head: DynamicHead
    local: Tensor
    known: Tensor

    def __init__(self, backbone: SegmentationNetwork, num_classes: int, tasks: Sequence[Sequence[int]]) -> None:
        dimensions = len(backbone.classifier().kernel_size)
        channels = backbone.channels
        outputs = 1 + max(map(len, tasks))
        head = DynamicHead(dimensions, channels[-1], channels[0], 1 + len(tasks), outputs)
        super().__init__(backbone.encoder, backbone.decoder, head, channels, backbone.upsampling)
        self.num_classes = num_classes
        self.tasks = tuple(map(tuple, tasks))
        self.synthetic = len(tasks)
        self.register_buffer("local", self._local_classes(), persistent=False)
        widths = torch.tensor([1 + len(task) for task in tasks] + [2])
        self.register_buffer("known", torch.arange(outputs) < widths.unsqueeze(1), persistent=False)

    def _local_classes(self) -> Tensor:
        """Return the channel of each class in the answers of each task, (K, C); 0 where the task does not have it."""
        table = torch.zeros(len(self.tasks), self.num_classes, dtype=torch.long)
        for row, task in zip(table, self.tasks, strict=True):
            row[list(task)] = torch.arange(1, 1 + len(task))
        return table

    def encode(self, images: Tensor) -> PromptFeatures:
        """Run encoder and decoder on images (B, C_in, *spatial)."""
        skips = self.encoder(images)
        stages = self.decoder(skips)
        return self.head.prepare(skips[-1], stages[-2], stages[-1])

    def decode(self, inputs: PromptFeatures, prompts: Tensor) -> Tensor:
        """Return the logits (B, outputs, *spatial) in float32 of one prompt (B,) for each image (equation 2)."""
        logits = promote(self.head(inputs, prompts))
        has_channel = append_axes(self.known[prompts], logits)
        return logits.masked_fill(~has_channel, NO_CHANNEL)

    def decode_task(self, inputs: PromptFeatures, prompt: int) -> Tensor:
        """Decode with the same prompt for all images; otherwise as `decode`."""
        return self.decode(inputs, torch.full((len(inputs.embedding),), prompt, device=inputs.embedding.device))

    def local_labels(self, labels: Tensor, tasks: Tensor) -> Tensor:
        """Return class indices (B, *spatial) as channels of the answers of each image's task (B,)."""
        offsets = append_axes(tasks, labels) * self.num_classes
        return self.local.flatten()[labels + offsets]

    def forward(self, images: Tensor) -> NetworkOutput:
        """Segment images (B, C_in, *spatial) for all tasks at once, as `predict_tasks` does."""
        return self.predict_tasks(images, range(len(self.tasks)))

    def for_classes(self, classes: Collection[int]) -> nn.Module:
        """Return a network that segments the tasks of some classes only."""
        return TaskSubset(self, classes)

    def predict_tasks(self, images: Tensor, tasks: Sequence[int]) -> NetworkOutput:
        """Segment images (B, C_in, *spatial) for some tasks; the probabilities are merged to one class map.

        A structure has the largest probability that a task gives it, and background the smallest: 1 - max over tasks
        of their foreground, as in equation 7. Together they are scaled to 1. A single task answers unchanged.
        """
        inputs = self.encode(images)
        answers = [self.decode_task(inputs, index).softmax(dim=1) for index in tasks]
        shape = (len(images), self.num_classes, *images.shape[2:])
        merged = torch.zeros(shape, device=images.device)
        merged[:, 0] = torch.stack([answer[:, 0] for answer in answers]).amin(dim=0)
        for place, answer in zip(tasks, answers, strict=True):
            for channel, index in enumerate(self.tasks[place], 1):
                merged[:, index] = torch.maximum(merged[:, index], answer[:, channel])
        return NetworkOutput(merged.clamp_min(SMALLEST).log(), *inputs[2:])


class TaskSubset(nn.Module):
    """A prompted network that answers for the tasks of some classes only, or for all where no task has one of these.

    Args:
        network: Network, which keeps its weights and is not copied.
        classes: Class indices of the structures.
    """

    def __init__(self, network: PromptedNetwork, classes: Collection[int]) -> None:
        super().__init__()
        tasks = range(len(network.tasks))
        self.network = network
        self.task_indices = [index for index in tasks if not set(classes).isdisjoint(network.tasks[index])] or list(
            tasks
        )
        self.train(network.training)

    def forward(self, images: Tensor) -> NetworkOutput:
        """Segment images (B, C_in, *spatial)."""
        return self.network.predict_tasks(images, self.task_indices)
