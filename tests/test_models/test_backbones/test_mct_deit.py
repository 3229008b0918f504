import math

import numpy as np
import pytest
import torch

from mmwsss.models.backbones import MCTDeiT

SMALL = dict(img_size=32, patch_size=8, embed_dims=12, depth=3, num_heads=2)


def layer_norm(x, weight, bias):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-6) * weight + bias


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def forward_by_loops(state, img, classes, heads, patch):
    """One image through the transformer in numpy, from timm's parameter names."""
    p = {key: value.double().numpy() for key, value in state.items()}
    dim = p['cls_token'].shape[-1]
    tokens = [p['cls_token'][0, c] for c in range(classes)]
    for y in range(0, img.shape[1], patch):
        for x in range(0, img.shape[2], patch):
            block = img[:, y:y + patch, x:x + patch]
            tokens.append((p['patch_embed.proj.weight'] * block).sum((1, 2, 3))
                          + p['patch_embed.proj.bias'])
    t = np.stack(tokens) + p['pos_embed'][0]
    maps = []
    for i in range(3):
        b = f'blocks.{i}.'
        normed = layer_norm(t, p[b + 'norm1.weight'], p[b + 'norm1.bias'])
        qkv = normed @ p[b + 'attn.qkv.weight'].T + p[b + 'attn.qkv.bias']
        q, k, v = np.split(qkv, 3, axis=1)
        mean, out, d = 0, [], dim // heads
        for h in range(heads):
            at = slice(h * d, (h + 1) * d)
            e = np.exp(q[:, at] @ k[:, at].T / np.sqrt(d))
            a = e / e.sum(1, keepdims=True)
            mean = mean + a / heads
            out.append(a @ v[:, at])
        maps.append(mean)
        t = t + np.concatenate(out, 1) @ p[b + 'attn.proj.weight'].T + p[b + 'attn.proj.bias']
        normed = layer_norm(t, p[b + 'norm2.weight'], p[b + 'norm2.bias'])
        hidden = gelu(normed @ p[b + 'mlp.fc1.weight'].T + p[b + 'mlp.fc1.bias'])
        t = t + hidden @ p[b + 'mlp.fc2.weight'].T + p[b + 'mlp.fc2.bias']
    return t, np.stack(maps)


def test_forward_matches_numpy():
    torch.manual_seed(0)
    model = MCTDeiT(5, **SMALL).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 3, 32, 32)
    patches, tokens, attention = model(x)
    assert patches.shape == (2, 12, 4, 4) and tokens.shape == (2, 5, 12)
    assert attention.shape == (2, 3, 21, 21)
    for n in range(2):
        want, maps = forward_by_loops(model.state_dict(), x[n].double().numpy(), 5, 2, 8)
        np.testing.assert_allclose(tokens[n].detach(), want[:5], atol=1e-4)
        np.testing.assert_allclose(
            patches[n].detach().flatten(1).T, want[5:], atol=1e-4)
        np.testing.assert_allclose(attention[n].detach(), maps, atol=1e-5)


def test_other_sizes_interpolate_the_positions():
    model = MCTDeiT(5, **SMALL).eval()
    for size, grid in (((48, 32), (6, 4)), ((32, 47), (4, 5)), ((16, 64), (2, 8))):
        patches, _, attention = model(torch.randn(1, 3, *size))
        assert patches.shape[-2:] == grid and attention.shape[-1] == 5 + grid[0] * grid[1]
    # As many patches as trained with, but of another shape: also interpolated.
    assert not torch.equal(model._positions(2, 8), model.pos_embed)
    assert torch.equal(model._positions(4, 4), model.pos_embed)
    # A constant embedding stays constant.
    torch.nn.init.ones_(model.pos_embed)
    assert torch.allclose(model._positions(7, 9), torch.ones(1, 5 + 63, 12), atol=1e-5)


def test_stem():
    model = MCTDeiT(5, **SMALL, stem=(6, 10)).eval()
    x = torch.randn(1, 3, 32, 32)
    embed = model.patch_embed
    want = embed.proj(embed.stem[1](embed.stem[0](x)))
    assert want.shape == (1, 12, 4, 4) and torch.equal(embed(x), want)
    assert embed.stem[1](embed.stem[0](x)).shape == (1, 10, 8, 8)
    assert model(x)[0].shape == (1, 12, 4, 4)
    with pytest.raises(ValueError, match='cannot be halved by each of the 4 layers'):
        MCTDeiT(5, **SMALL, stem=(4, ) * 4)


def test_deit_weights_load(tmp_path):
    """One class token is repeated, another grid interpolated, norm and classifier left out."""
    source = MCTDeiT(1, **{**SMALL, 'img_size': 48})
    state = source.state_dict()
    state.update({'norm.weight': torch.ones(12), 'norm.bias': torch.ones(12),
                  'head.weight': torch.ones(1000, 12), 'head.bias': torch.ones(1000)})
    path = tmp_path / 'deit.pth'
    torch.save(dict(model=state), path)
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    model = MCTDeiT(4, **{**SMALL, 'img_size': 48}, init_cfg=init_cfg)
    model.init_weights()
    assert all(torch.equal(model.cls_token[0, c], state['cls_token'][0, 0]) for c in range(4))
    assert all(torch.equal(model.pos_embed[0, c], state['pos_embed'][0, 0]) for c in range(4))
    assert torch.equal(model.pos_embed[0, 4:], state['pos_embed'][0, 1:])
    assert torch.equal(model.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight)

    model = MCTDeiT(4, **SMALL, init_cfg=init_cfg)
    model.init_weights()
    assert model.pos_embed.shape == (1, 20, 12)

    del state['blocks.2.attn.qkv.weight']
    torch.save(dict(model=state), path)
    with pytest.raises(ValueError, match='missing.*blocks.2.attn.qkv.weight'):
        MCTDeiT(4, **SMALL, init_cfg=init_cfg).init_weights()


def test_size_of_deit_small():
    with torch.device('meta'):
        model = MCTDeiT(20, drop_path_rate=0.1)
    # DeiT-S without classifier and final norm: 21.67 M, and 19 more class tokens and positions.
    deit = 22050664 - 385000 - 768
    assert sum(p.numel() for p in model.parameters()) == deit + 2 * 19 * 384
    assert model.blocks[11].drop_path.drop_prob == pytest.approx(0.1)
    assert model.blocks[0].drop_path.drop_prob == 0
