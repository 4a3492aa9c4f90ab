"""BCP: labeled and unlabeled images are pasted into each other, and so are labels and pseudo labels.

Bai et al., CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..connected_components import largest_components
from ..data.batch import Batch
from ..losses.overlap import dice_loss, masked_cross_entropy, one_hot, sample_dice_loss
from .method import Loss, Losses, Method, MethodContext, Stage, TrainingStep
from .parts.masks import outside_a_box, paste
from .parts.teacher import MeanTeacher

BOX_SIDE = 2 / 3
"""Side of the pasted box as a share of the patch (section 3.2)."""
PRETRAIN, SELFTRAIN = "pretrain", "selftrain"
Tasks = tuple[Tensor | None, Tensor | None]


class BidirectionalCopyPaste(Method):
    """Pre-training on labeled pairs, then self-training with L = L_in + L_out (equations 5 to 9).

    x_in shows unlabeled tissue in a box of a labeled image, x_out the other way round. Images without annotation count
    with ``pseudo_label_weight`` (alpha). Student and teacher both start from the pre-trained network.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.dimensions = context.dimensions
        # Released for slices: the whole state is averaged, not the parameters only.
        averages_buffers = self.dimensions == 2
        decay = context.settings["ema_decay"]
        self.teacher = MeanTeacher(self.student, decay, warm_up=False, buffers=averages_buffers)

    def stages(self) -> tuple[Stage, ...]:
        """Return pre-training and self-training."""
        share = self.settings["pretraining_share"]
        return Stage(PRETRAIN, "Pre-training", share), Stage(SELFTRAIN, "Self-training", 1 - share)

    def start_stage(self, stage: Stage, draw: Callable[[int], Batch]) -> None:
        """Give the teacher the weights of the pre-trained student."""
        if stage.name == SELFTRAIN:
            self.teacher.network.load_state_dict(self.student.state_dict())

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return the loss of the stage that training is in."""
        keep = outside_a_box(batch.labeled.images, BOX_SIDE)
        if step.stage == PRETRAIN:
            return self.pretraining_losses(batch, keep)
        return self.selftraining_losses(batch, keep)

    def pretraining_losses(self, batch: Batch, keep: Tensor) -> Losses:
        """Return the supervised loss on pairs of labeled images pasted into each other (section 3.4).

        The released code for slices adds the losses outside and inside the box, each normalised by itself.

        Args:
            batch: Batch with an even number of labeled images.
            keep: Mask (*spatial), 0 in the box that is pasted.
        """
        (first, second), (first_labels, second_labels) = batch.labeled.images.chunk(2), batch.labeled.labels.chunk(2)
        tasks = halves(batch.labeled.tasks)
        logits, labels = self.mixture_logits(first, second, keep, tasks), paste(first_labels, second_labels, keep)
        if self.dimensions == 3:
            return {"supervised": Loss(mixture_loss(logits, labels, torch.ones_like(keep)))}
        return {"supervised": Loss(mixture_loss(logits, labels, keep) + mixture_loss(logits, labels, 1 - keep))}

    def selftraining_losses(self, batch: Batch, keep: Tensor) -> Losses:
        """Return L_in and L_out, the first with annotations outside of the box, the second inside (equations 3, 4).

        Args:
            batch: Batch with an even number of labeled images and as many unlabeled ones.
            keep: Mask (*spatial), 0 in the box that is pasted.
        """
        (first, second), (first_labels, second_labels) = batch.labeled.images.chunk(2), batch.labeled.labels.chunk(2)
        pasted_first, pasted_second = batch.unlabeled.images.chunk(2)
        pseudo_first, pseudo_second = self.pseudo_labels(batch.unlabeled.images, batch.unlabeled.tasks).chunk(2)
        known, unlabeled = halves(batch.labeled.tasks), halves(batch.unlabeled.tasks)
        inward = self.mixture_logits(first, pasted_first, keep, (known[0], unlabeled[0]))
        outward = self.mixture_logits(pasted_second, second, keep, (unlabeled[1], known[1]))
        alpha = self.settings["pseudo_label_weight"]
        into, out = paste(first_labels, pseudo_first, keep), paste(pseudo_second, second_labels, keep)
        return {
            "inward_annotated": Loss(mixture_loss(inward, into, keep)),
            "inward_pseudo": Loss(mixture_loss(inward, into, 1 - keep), alpha),
            "outward_annotated": Loss(mixture_loss(outward, out, 1 - keep)),
            "outward_pseudo": Loss(mixture_loss(outward, out, keep), alpha),
        }

    def mixture_logits(self, around: Tensor, inside: Tensor, keep: Tensor, tasks: Tasks) -> Tensor:
        """Return the student's logits (B, C, *spatial) of two images pasted into each other.

        Args:
            around: Images (B, C_in, *spatial) outside of the box.
            inside: Images inside of it.
            keep: Mask (*spatial), 0 in the box.
            tasks: Tasks (B,) of both, which images of one task do not have.
        """
        return self.student(paste(around, inside, keep)).logits

    def teacher_logits(self, images: Tensor, tasks: Tensor | None) -> Tensor:
        """Return the teacher's logits (B, C, *spatial) of images (B, C_in, *spatial) and their tasks (B,).

        The halves of the images are segmented one after the other, each with batch statistics of its own, as released.
        """
        return torch.cat([self.teacher(half).logits for half in images.chunk(2)])

    def pseudo_labels(self, images: Tensor, tasks: Tensor | None = None) -> Tensor:
        """Return the teacher's classes (B, *spatial), of each structure only the largest component (section 3.3).

        Components are computed on the CPU, the one place where a step waits for the device.

        Args:
            images: Images (B, C_in, *spatial), an even number.
            tasks: Their tasks (B,); None where there is one task only.
        """
        classes = self.teacher_logits(images, tasks).argmax(dim=1)
        pieces = [largest_components(image.numpy(), range(1, self.num_classes)) for image in classes.cpu()]
        return torch.stack([torch.from_numpy(image) for image in pieces]).to(classes.device)

    def after_step(self, step: TrainingStep) -> None:
        """Average the student into the teacher while self-training."""
        if step.stage != PRETRAIN:
            self.teacher.update(self.student, step.index)


def halves(tasks: Tensor | None) -> Tasks:
    """Return the tasks (B / 2,) of both halves of a batch, None for images that have one task only."""
    if tasks is None:
        return None, None
    first, second = tasks.chunk(2)
    return first, second


def mixture_loss(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Return half cross-entropy, half Dice over the part of a mixture where the mask is 1 (equation 7).

    Where the paper is silent the Dice is that of the released code: of slices squared and joint over the batch, of
    volumes linear and for each image.

    Args:
        logits: Logits (B, C, *spatial).
        labels: Class indices (B, *spatial).
        mask: Mask (*spatial) of 0 and 1.
    """
    everywhere = mask.expand(labels.shape)
    dice = dice_loss if logits.dim() == 4 else sample_dice_loss
    overlap = dice(logits.softmax(dim=1), one_hot(labels, logits.shape[1]), everywhere)
    return 0.5 * (masked_cross_entropy(logits, labels, everywhere) + overlap)


def build(context: MethodContext) -> Method:
    """Build the method."""
    return BidirectionalCopyPaste(context)
