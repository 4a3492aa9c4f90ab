from __future__ import annotations

import pytest
import torch

from SemiSupervisedSegLib.engine.networks.sample_attention import SampleAttention


def attended(layer: torch.nn.TransformerEncoderLayer, tokens: torch.Tensor) -> torch.Tensor:
    """One post-norm transformer layer on tokens (N, L), with the attention written out for each head."""
    attention, (length, width) = layer.self_attn, tokens.shape
    parts = (tokens @ attention.in_proj_weight.T + attention.in_proj_bias).view(length, 3, 4, width // 4)
    query, key, value = parts.permute(1, 2, 0, 3)
    shares = (query @ key.mT / (width // 4) ** 0.5).softmax(dim=2)
    tokens = layer.norm1(tokens + attention.out_proj((shares @ value).permute(1, 0, 2).reshape(length, width)))
    return layer.norm2(tokens + layer.linear2(layer.linear1(tokens).relu()))


@pytest.mark.parametrize("size", [(3, 4), (2, 3, 2)])
def test_voxels_of_an_image_and_then_images_at_a_voxel(size):
    block = SampleAttention(8).double().train()
    for module in block.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    block.within.self_attn.dropout = block.between.self_attn.dropout = 0.0
    maps = torch.randn(3, 8, *size, dtype=torch.float64)
    tokens = torch.stack([attended(block.within, image.flatten(1).T) for image in maps])
    expected = torch.stack([attended(block.between, images) for images in tokens.unbind(1)], dim=1)
    torch.testing.assert_close(block(maps).flatten(2), expected.mT, rtol=0, atol=1e-10)


def test_predictions_are_made_without_attention():
    maps = torch.randn(2, 8, 4, 4)
    assert SampleAttention(8).eval()(maps) is maps
