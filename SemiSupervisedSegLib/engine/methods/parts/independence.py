"""The linear maps by which CauSSL measures how much one network depends on another (Miao et al., ICCV 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...losses.independence import Kernels

INITIAL_STD = 1e-3
ASCENT_STEPS = 60
LEARNING_RATE = 2e-2
DECAYS = 0.9, 0.999
EPSILON = 1e-8
"""As released; decays and epsilon are those of Adam (Kingma and Ba, ICLR 2015)."""
SMALLEST = 1e-24


def kernels_of(network: nn.Module) -> Kernels:
    """Return the kernels (filters, ...) of all convolutions of a network, no biases and no normalisations."""
    return tuple(parameter for parameter in network.parameters() if parameter.dim() > 2)


class LinearMaps(nn.Module):
    """A map L for each layer, which makes the kernels of one network look as dependent on another's as possible.

    The maps are no parameters of the training: they rise by Adam steps of their own, whose moments stay in the
    checkpoint.

    Args:
        kernels: Kernels (filters, ...) of the network's layers.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> w, v = (torch.randn(4, 9),), (torch.randn(4, 9),)
        >>> maps = LinearMaps(w)
        >>> for _ in range(3):
        ...     maps.rise(w, v)
        >>> from ...losses.independence import kernel_dependence
        >>> kernel_dependence(w, v, maps.matrices()) > 1.5 * kernel_dependence(w, v, (torch.eye(4),))
        tensor(True)
    """

    values: Tensor
    means: Tensor
    squares: Tensor
    steps: Tensor

    def __init__(self, kernels: Kernels) -> None:
        super().__init__()
        self._filters = [len(kernel) for kernel in kernels]
        size = sum(count**2 for count in self._filters)
        self.register_buffer("values", INITIAL_STD * torch.randn(size))
        self.register_buffer("means", torch.zeros(size))
        self.register_buffer("squares", torch.zeros(size))
        self.register_buffer("steps", torch.zeros(()))

    def matrices(self) -> Kernels:
        """Return the map (filters, filters) of each layer."""
        return self._in_layers(self.values)

    def rise(self, kernels: Kernels, others: Kernels) -> None:
        """Make :func:`kernel_dependence` larger by 60 steps of Adam.

        Args:
            kernels: Kernels w (filters, ...) of each layer.
            others: Kernels v of the same layers of the other network.
        """
        with torch.autocast(self.values.device.type, enabled=False):
            products = [
                _products(w.detach().flatten(1), v.detach().flatten(1)) for w, v in zip(kernels, others, strict=True)
            ]
            for _ in range(ASCENT_STEPS):
                values = self.values.clone().requires_grad_()
                layers = [
                    _mean_cosine(each, *known) for each, known in zip(self._in_layers(values), products, strict=True)
                ]
                self._ascend(*torch.autograd.grad(torch.stack(layers).mean(), values))

    def _in_layers(self, values: Tensor) -> Kernels:
        parts = values.split([count**2 for count in self._filters])
        return tuple(part.view(count, count) for part, count in zip(parts, self._filters, strict=True))

    def _ascend(self, gradient: Tensor) -> None:
        self.steps += 1
        self.means.lerp_(gradient, 1 - DECAYS[0])
        self.squares.lerp_(gradient.square(), 1 - DECAYS[1])
        mean, square = (
            moment / (1 - decay**self.steps) for moment, decay in zip((self.means, self.squares), DECAYS, strict=True)
        )
        self.values += LEARNING_RATE * mean / (square.sqrt() + EPSILON)


def _products(w: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return w v^T, v v^T and the squared lengths of w: all of the kernels that cosines of L v and w depend on."""
    return w @ v.T, v @ v.T, w.square().sum(dim=1)


def _mean_cosine(across: Tensor, between: Tensor, within: Tensor, lengths: Tensor) -> Tensor:
    """Return mean_i cos^2(w_i, (L v)_i) of a map L and :func:`_products`."""
    products, squares = (across * between).sum(dim=1), ((across @ within) * across).sum(dim=1)
    return (products.square() / (squares * lengths).clamp_min(SMALLEST)).mean()
