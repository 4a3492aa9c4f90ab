"""CPS: two networks of different initialisation that give each other pseudo labels.

Chen et al., CVPR 2021.
"""

from __future__ import annotations

from ..data.batch import Batch
from ..losses.pseudo_labels import cross_pseudo_supervision
from ..networks.layers import kaiming_normal, xavier_normal
from .method import Loss, Losses, Method, MethodContext, TrainingStep


class CrossPseudoSupervision(Method):
    """L = sum_i L_sup(f_i) + lambda(t) sum_i CE(f_i(x_u), argmax f_j(x_u)), equations 1 to 3.

    The first network predicts.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.second = context.build_network()
        if not context.follows_released_code:
            kaiming_normal(self.second)
        elif context.dimensions == 3:
            kaiming_normal(self.student)
            xavier_normal(self.second)
        self.second_supervised_loss = context.build_supervised_loss(self.second)

    def losses(self, batch: Batch, step: TrainingStep) -> Losses:
        """Return L_sup of both networks and what each learns from the other on the unlabeled images."""
        labels, weight = batch.labeled.labels, self.consistency_weight(step)
        first_labeled, first = self.joint_pass(batch)
        second_labeled, second = self.joint_pass(batch, self.second)
        supervised = self.supervised_loss(first_labeled, labels) + self.second_supervised_loss(second_labeled, labels)
        return {
            "supervised": Loss(supervised),
            "cross_pseudo": Loss(cross_pseudo_supervision(first.logits, second.logits), weight),
        }


def build(context: MethodContext) -> Method:
    """Build the method."""
    return CrossPseudoSupervision(context)
