"""Small networks, batches and methods, and a recorder of what the networks of a method saw and answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from SemiSupervisedSegLib.engine.data.batch import Batch, Labeled, Unlabeled
from SemiSupervisedSegLib.engine.methods.method import Losses, Method, MethodContext, TrainingStep
from SemiSupervisedSegLib.engine.methods.registry import build_method
from SemiSupervisedSegLib.engine.networks.base import SegmentationNetwork, Upsampling
from SemiSupervisedSegLib.engine.networks.output import NetworkOutput
from SemiSupervisedSegLib.jobs.catalogue import resolve

CHANNELS = (8, 16, 24)
SIZES = {2: (32, 24), 3: (16, 16, 20)}
SHAPES = [(2, 2), (2, 4), (3, 2), (3, 4)]
"""Numbers of dimensions and classes."""
MIDDLE = TrainingStep(500, 1000)


def _block(dimensions: int, before: int, after: int) -> nn.Sequential:
    convolution = (nn.Conv2d, nn.Conv3d)[dimensions - 2](before, after, 3, padding=1)
    normalization = (nn.BatchNorm2d, nn.BatchNorm3d)[dimensions - 2](after)
    return nn.Sequential(convolution, normalization, nn.LeakyReLU(0.1))


class ToyEncoder(nn.Module):
    def __init__(self, dimensions: int) -> None:
        super().__init__()
        widths = (1, *CHANNELS)
        self.stages = nn.ModuleList(_block(dimensions, widths[i], widths[i + 1]) for i in range(len(CHANNELS)))
        self.pool = (nn.MaxPool2d, nn.MaxPool3d)[dimensions - 2](2)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [self.stages[0](images)]
        for stage in self.stages[1:]:
            maps.append(stage(self.pool(maps[-1])))
        return maps


class ToyDecoder(nn.Module):
    def __init__(self, dimensions: int, upsampling: Upsampling = "nearest") -> None:
        super().__init__()
        fine, half, coarse = CHANNELS
        self.mode = "nearest" if upsampling == "nearest" else ("bilinear", "trilinear")[dimensions - 2]
        self.stages = nn.ModuleList([_block(dimensions, coarse + half, half), _block(dimensions, half + fine, fine)])

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        maps, current = [], skips[-1]
        for stage, skip in zip(self.stages, reversed(skips[:-1]), strict=True):
            enlarged = nn.functional.interpolate(current, size=skip.shape[2:], mode=self.mode)
            current = stage(torch.cat([skip, enlarged], dim=1))
            maps.append(current)
        return maps


def toy_network(dimensions: int, classes: int, upsampling: Upsampling = "nearest") -> SegmentationNetwork:
    """Build a three-level U-Net of about 10 000 weights, which upsamples without any."""
    head = (nn.Conv2d, nn.Conv3d)[dimensions - 2](CHANNELS[0], classes, 1)
    return SegmentationNetwork(ToyEncoder(dimensions), ToyDecoder(dimensions, upsampling), head, CHANNELS, upsampling)


def classifier(network: SegmentationNetwork) -> nn.Module:
    """Return the layer whose weights and bias make the logits, the last one of the head."""
    return list(network.head.modules())[-1]


def toy_method(method_id: str, dimensions: int = 2, classes: int = 2, **settings: Any) -> Method:
    """Build a method on a toy network, in train mode, with the settings of its paper where none are given."""
    return build_on(partial(toy_network, dimensions, classes), method_id, dimensions, classes, **settings)


def build_on(network: Callable[..., Any], method_id: str, dimensions: int, classes: int, **settings: Any) -> Method:
    """Build a method on the networks that a function makes, in train mode."""
    context = MethodContext(network, classes, dimensions, resolve(method_id, "paper", settings, dimensions))
    return build_method(method_id, context).train()


def toy_images(labels: Tensor) -> Tensor:
    """Return images (B, 1, *spatial) whose intensity tells the class, up to noise."""
    return (labels.float() - labels.float().mean()).unsqueeze(1) + 0.3 * torch.randn(labels.shape).unsqueeze(1)


def toy_labels(count: int, size: tuple[int, ...], classes: int) -> Tensor:
    """Return labels (count, *size) of stripes, all classes in every image."""
    columns = torch.arange(size[-1]) * classes // size[-1]
    return torch.stack([columns.roll(2 * shift) for shift in range(count)]).reshape(
        count, *(1,) * (len(size) - 1), size[-1]
    ) * torch.ones(size, dtype=torch.long)


def toy_batch(dimensions: int = 2, classes: int = 2, count: int = 2) -> Batch:
    """Return a batch of all three streams."""
    return batch_of(toy_labels(count, SIZES[dimensions], classes))


def batch_of(labels: Tensor) -> Batch:
    """Return a batch of all three streams whose labeled images have these labels, from all over their cases."""
    unlabeled, external = toy_images(labels.flip(-1)), 1.5 * toy_images(labels.flip(0)) + 0.2
    last = (torch.arange(len(labels)) + 1) / len(labels)
    extents = torch.stack([last - 1 / len(labels) if labels.dim() == 4 else last, last], dim=1)
    labeled = Labeled(toy_images(labels), labels, extents=extents)
    return Batch(labeled, Unlabeled(unlabeled, extents=extents), Unlabeled(external, extents=extents))


def weighted_sum(losses: Losses) -> Tensor:
    """Return the objective as the training loop forms it."""
    return sum(loss.weight * loss.value for loss in losses.values())


def values(losses: Losses) -> dict[str, float]:
    return {name: loss.value.item() for name, loss in losses.items()}


class Recorder:
    """Keeps (images, output) of every pass of the student and of the teacher."""

    def __init__(self, method: Method) -> None:
        self.student: list[tuple[Tensor, NetworkOutput]] = []
        self.teacher: list[tuple[Tensor, NetworkOutput]] = []
        method.student.register_forward_hook(lambda _, inputs, output: self.student.append((inputs[0], output)))
        if hasattr(method, "teacher"):
            network = method.teacher.network
            network.register_forward_hook(lambda _, inputs, output: self.teacher.append((inputs[0], output)))


def in_float64(method: Method, batch: Batch) -> tuple[Method, Batch]:
    """Return a method and a batch that compute in float64, so that formulas agree to the tenth digit and beyond."""
    streams = (batch.labeled, batch.unlabeled, batch.external)
    return method.double(), Batch(*(stream and replace(stream, images=stream.images.double()) for stream in streams))


def run(
    method_id: str, shape: tuple[int, int], training_step: TrainingStep = MIDDLE, **settings: Any
) -> tuple[dict[str, float], Batch, Recorder, Method]:
    """Return the losses of one step in float64 as numbers, the batch, the recorder and the method."""
    method, batch = in_float64(toy_method(method_id, *shape, **settings), toy_batch(*shape))
    recorder = Recorder(method)
    return values(method.losses(batch, training_step)), batch, recorder, method


def weights(method_id: str, training_step: TrainingStep, dimensions: int = 2, **settings: Any) -> dict[str, float]:
    """Return the weight of each loss on two images of two classes."""
    losses = toy_method(method_id, dimensions, **settings).losses(toy_batch(dimensions), training_step)
    return {name: loss.weight for name, loss in losses.items()}


def assert_noise(noisy: Tensor, clean: Tensor) -> None:
    """Noise of deviation 0.1, clipped at 0.2."""
    noise = (noisy - clean).detach()
    assert abs(noise.abs().max().item() - 0.2) < 1e-5
    assert 0.08 < noise.std() < 0.1
    assert abs(noise.mean()) < 0.02
