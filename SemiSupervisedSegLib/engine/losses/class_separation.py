"""Inter-class separation: features approach the memory of their class."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ..precision import full_precision


@full_precision
def class_separation(queries: Tensor, attention: Tensor, keys: Tensor, key_attention: Tensor) -> Tensor:
    """Return the weighted mean cosine distance of all pairs of a query and a key of one class (SS-Net, equation 4).

    1/(N M) sum_nm w_n w_m (1 - cos(k_n, q_m)) with weights that are attention scores divided by their mean. As the
    cosine is linear in a key of length one, all keys become one vector, and M x N distances need not be stored.

    Args:
        queries: Projected features q(g(h)) (M, L) of the class's voxels.
        attention: Scores (M,) of the queries.
        keys: Features (N, L) of the memory, constant.
        key_attention: Scores (N,) of the keys; ones weight them alike.

    Examples:
        >>> queries, keys = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0]])
        >>> class_separation(queries, torch.ones(2), keys, torch.ones(1))
        tensor(0.5000)
    """
    key_weights = key_attention / key_attention.mean()
    centre = (key_weights.unsqueeze(1) * functional.normalize(keys, dim=1)).mean(dim=0)
    distances = 1 - functional.normalize(queries, dim=1) @ centre
    return (attention / attention.mean() * distances).mean()
