"""Networks with an embedding before the classifier, composed independently."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from SemiSupervisedSegLib.engine.networks.factory import build_network

from ..reference import array


@pytest.mark.parametrize(("name", "size"), [("unet_2d", (16, 16)), ("v_net", (16, 16, 32)), ("unet_3d", (16, 16, 32))])
def test_the_network_that_predicts_is_built_by_its_name(name, size):
    network = build_network(name, 1, 3, embedded=True).eval()
    again = build_network(name, 1, 3, embedded=True).eval()
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 1, *size)
    with torch.no_grad():
        output = network(images)
        assert torch.equal(again(images).logits, output.logits)
        plain = network.decoder.stages[-1].stage(
            network.decoder(network.encoder(images))[-2], network.encoder(images)[0]
        )
    width = network.feature_channels["decoder_full"]
    assert output.decoder_full.shape == (1, width, *size)
    assert output.decoder_full.min() < 0, "the embedding has no activation"
    embedding, head = network.decoder.stages[-1].embedding, network.head[-1]
    rows = np.moveaxis(array(plain), 1, -1) @ array(embedding.weight).reshape(width, width).T + array(embedding.bias)
    np.testing.assert_allclose(rows, np.moveaxis(array(output.decoder_full), 1, -1), atol=1e-4)
    logits = np.maximum(rows, 0) @ array(head.weight).reshape(3, width).T + array(head.bias)
    np.testing.assert_allclose(logits, np.moveaxis(array(output.logits), 1, -1), atol=1e-4)


def test_the_whole_has_the_size_of_the_paper():
    """About 9.45 million: the V-Net and three heads of little weight."""
    count = sum(parameter.numel() for parameter in build_network("v_net", 1, 2, embedded=True).parameters())
    assert count == 9_448_866 + 16 * 16 + 16
