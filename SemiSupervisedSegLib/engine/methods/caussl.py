"""CauSSL: two networks that teach each other and whose weights are kept independent of each other.

Miao et al., ICCV 2023, in its form on cross pseudo supervision (CPS-CauSSL).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..data.batch import Batch
from ..losses.independence import kernel_dependence
from ..losses.overlap import structures_loss, supervised_loss
from ..losses.pseudo_labels import cross_pseudo_supervision
from .method import Loss, Losses, Method, MethodContext, TrainingStep
from .parts.independence import ASCENT_STEPS, LinearMaps, kernels_of


class CausalityInspired(Method):
    """L = sum_i L_sup(f_i) + lambda(t) sum_i CE(f_i(x_u), argmax f_j(x_u)) + gamma sum_i dep(w_i, L_i w_j).

    dep is the mean squared cosine of a network's filters and linear combinations of the other's. The maps L_i make it
    as large as possible, every 60 steps by 60 steps of their own; the networks make it small. The first network
    predicts. With ``fidelity="released_code"`` the Dice of L_sup is that of the structures without background.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.second = context.build_network()
        self.maps = LinearMaps(kernels_of(self.student))
        self.second_maps = LinearMaps(kernels_of(self.second))
        self.loss_on_labels = structures_loss if context.follows_released_code else supervised_loss

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup of both networks, what each learns from the other, and their dependence on each other."""
        kernels, others = kernels_of(self.student), kernels_of(self.second)
        since_start = step.index - self.settings["independence_start"]
        if since_start >= 0 and since_start % ASCENT_STEPS == 0:
            self.maps.rise(kernels, others)
            self.second_maps.rise(others, kernels)
        supervised, cross_pseudo = self.image_losses(batch)
        dependence = kernel_dependence(kernels, others, self.maps.matrices())
        dependence = dependence + kernel_dependence(others, kernels, self.second_maps.matrices())
        taught, apart = step.index >= self.settings["consistency_start"], since_start >= 0
        return {
            "supervised": Loss(supervised),
            "cross_pseudo": Loss(cross_pseudo, taught * self.consistency_weight(step)),
            "dependence": Loss(dependence, apart * self.settings["independence_weight"]),
        }

    def image_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_sup of both networks on the labeled images and their cross pseudo supervision on the others."""
        labels = batch.labeled.labels
        first_labeled, first = self.network_logits(batch, self.student)
        second_labeled, second = self.network_logits(batch, self.second)
        supervised = self.loss_on_labels(first_labeled, labels) + self.loss_on_labels(second_labeled, labels)
        return supervised, cross_pseudo_supervision(first, second)

    def network_logits(self, batch: Batch, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Return the logits (B, C, *spatial) that a network gives labeled and unlabeled images."""
        labeled, unlabeled = self.joint_pass(batch, network)
        return labeled.logits, unlabeled.logits


def build(context: MethodContext) -> Method:
    """Build the method."""
    return CausalityInspired(context)
