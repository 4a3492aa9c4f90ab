"""MagicNet: images are cut into cubes, which are exchanged between images or seen one by one, and put together again.

Chen et al., CVPR 2023. A slice is cut into squares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..data.batch import Batch
from ..losses.blending import blended_classes
from ..losses.overlap import dice_loss, one_hot
from ..networks.location import LocationHead
from ..tensors import promote
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.cubes import CubeGrid, cube_grid
from .parts.teacher import TeacherStudent

LOCATION_WEIGHT = 0.1
"""Weight of the location of cubes, as released."""
FREQUENCY_STEPS, FIRST_BLENDED = 20, 101
"""Steps between renewals of the class frequencies, and the first step with blended pseudo-labels, as released."""


class MagicNet(TeacherStudent):
    """L = 1/4 (CE + Dice + Dice_cross + Dice_within) + 0.1 L_location + lambda(t) Dice_cross(x_u).

    *Cross*: at each place the cubes of all images of a batch are permuted; the decoder's features of these mixtures go
    back to the images of their cubes before they are classified. *Within*: an image's cubes are seen one by one, their
    features put together and classified; the encoder also tells where each cube was. The pseudo-labels are those of the
    teacher, which sees whole images, blended with those of the student, which sees cubes.

    In the released code the cubes of one image are put together in another order than that in which they were cut, so
    that only those with equal first and last place along their axes come back (``fidelity="released_code"``).
    """

    class_counts: Tensor
    frequencies: Tensor

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        places = context.settings["cubes"] ** context.dimensions
        self.location = LocationHead(context.dimensions, self.student.channels[-1], places)
        self.register_buffer("class_counts", torch.zeros(context.num_classes))
        self.register_buffer("frequencies", torch.zeros(context.num_classes))
        self.exchanges_axes = context.follows_released_code

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the losses of whole labeled images, of mixtures and of single cubes."""
        labels, count = batch.labeled.labels, len(batch.labeled.labels)
        images = torch.cat([batch.labeled.images, batch.unlabeled.images])
        grid = cube_grid(images.shape[2:], self.settings["cubes"], 2 ** (len(self.student.channels) - 1))
        whole = self.student(batch.labeled.images)
        labeled, unlabeled = self.cross_logits(images, grid).tensor_split([count])
        within, cube_logits, location = self.within_logits(images, count, grid)
        pseudo = self.pseudo_labels(batch.unlabeled.images, cube_logits, step)
        return {
            "supervised": Loss(self.supervised_loss(whole, labels), 0.5),
            "cross": Loss(class_dice(labeled, labels), 0.25),
            "within": Loss(class_dice(within, labels), 0.25),
            "location": Loss(location, LOCATION_WEIGHT),
            "pseudo": Loss(class_dice(unlabeled, pseudo), self.consistency_weight(step)),
        }

    def cross_logits(self, images: Tensor, grid: CubeGrid) -> Tensor:
        """Return the logits (B, C, *spatial) of images (B, C_in, *spatial) that were seen in cubes of mixtures."""
        order, back = grid.random_orders(images)
        features = self.student(grid.exchange(images, order)).decoder_full
        return self.student.head(grid.exchange(features, back))

    def within_logits(self, images: Tensor, count: int, grid: CubeGrid) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the student says of cubes that it sees one by one.

        Args:
            images: Labeled and unlabeled images (B, C_in, *spatial).
            count: Number of labeled images, the first ones.
            grid: Places of the cubes.

        Returns:
            Logits of the labeled and, as constants, of the unlabeled images (B, C, *spatial), and the cross-entropy of
            the places of all cubes.
        """
        skips = self.student.encoder(grid.cut(images))
        cubes = len(skips[-1]) // len(images)
        places = torch.arange(cubes, device=images.device).repeat(len(images))
        location = functional.cross_entropy(promote(self.location(skips[-1])), places)
        labeled = self.joined_logits([maps[: count * cubes] for maps in skips], grid)
        with torch.no_grad():
            unlabeled = self.joined_logits([maps[count * cubes :] for maps in skips], grid)
        return labeled, unlabeled, location

    def joined_logits(self, skips: list[Tensor], grid: CubeGrid) -> Tensor:
        """Return the logits (B, C, *spatial) of the encoder's maps (B * N, L, *spatial) of cubes."""
        features = self.student.decoder(skips)[-1]
        if self.exchanges_axes:
            order = with_exchanged_axes(grid).to(features.device, non_blocking=True)
            features = features.unflatten(0, (-1, len(order)))[:, order].flatten(0, 1)
        return self.student.head(grid.join(features))

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor, cube_logits: Tensor, step: TrainingStep) -> Tensor:
        """Return the pseudo-labels (B, *spatial) of unlabeled images, and count their classes.

        Args:
            images: Images (B, C_in, *spatial).
            cube_logits: Logits (B, C, *spatial) of their cubes.
            step: Place of the step in the training.
        """
        logits = self.teacher(self.noisy(images)).logits
        blends = step.index >= FIRST_BLENDED
        classes = blended_classes(logits, cube_logits, self.frequencies) if blends else logits.argmax(dim=1)
        self.class_counts += torch.stack([(classes == label).sum() for label in range(self.num_classes)])
        if step.index % FREQUENCY_STEPS == 0:
            self.frequencies.copy_(self.class_counts)
            self.class_counts.zero_()
        return classes


def with_exchanged_axes(grid: CubeGrid) -> Tensor:
    """Return the cube (N,) that the released code puts at each place, with the order of the axes reversed.

    Args:
        grid: Places of the cubes.

    Examples:
        >>> with_exchanged_axes(CubeGrid(size=(64, 96), sides=(32, 32)))
        tensor([0, 2, 4, 1, 3, 5])
    """
    counts = grid.counts
    return torch.arange(math.prod(counts)).view(counts[::-1]).permute(*reversed(range(len(counts)))).flatten()


def class_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the Dice loss over all classes, squared and joint over the batch, with constant target.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
    """
    return dice_loss(promote(logits).softmax(dim=1), one_hot(labels, logits.shape[1]))


def build(context: MethodContext) -> Method:
    """Build the method."""
    return MagicNet(context)
