"""The public checkpoints' layouts, written from their description: names, shapes, arithmetic.

Each ``*_state`` gives random weights under the original names, each ``*_forward`` computes with
them by functional calls, knowing nothing of mmwsss.
"""

import torch
from torch.nn import functional as F

SMALL = (4, 8, 8, 12, 16, 24, 32)


def bn(name, channels, counters):
    state = {f'{name}.weight': torch.rand(channels) + 0.5,
             f'{name}.bias': torch.randn(channels) / 4,
             f'{name}.running_mean': torch.randn(channels) / 4,
             f'{name}.running_var': torch.rand(channels) + 0.5}
    if counters:
        state[f'{name}.num_batches_tracked'] = torch.tensor(7)
    return state


def conv(out_channels, in_channels, size):
    return torch.randn(out_channels, in_channels, size, size) / (in_channels * size ** 2) ** 0.5


def blocks(widths):
    """(name, in, out, stride, dilations or None for a bottleneck)."""
    _, w2, w3, w4, w5, w6, w7 = widths
    rows, before = [], widths[0]
    for stage, width, depth in ((2, w2, 3), (3, w3, 3), (4, w4, 6)):
        for i in range(depth):
            name = f'b{stage}_{i}' if i else f'b{stage}'
            rows.append((name, before, width, 1 if i else 2, (1, 1)))
            before = width
    rows += [('b5', w4, w5, 1, (1, 2)), ('b5_1', w5, w5, 1, (2, 2)), ('b5_2', w5, w5, 1, (2, 2)),
             ('b6', w5, w6, 1, None), ('b7', w6, w7, 1, None)]
    return rows


def resnet38d_state(widths=SMALL, counters=True):
    state = {'conv1a.weight': conv(widths[0], 3, 3)}
    for name, before, width, stride, dilations in blocks(widths):
        state.update(bn(f'{name}.bn_branch2a', before, counters))
        if dilations is None:
            state[f'{name}.conv_branch2a.weight'] = conv(width // 4, before, 1)
            state.update(bn(f'{name}.bn_branch2b1', width // 4, counters))
            state[f'{name}.conv_branch2b1.weight'] = conv(width // 2, width // 4, 3)
            state.update(bn(f'{name}.bn_branch2b2', width // 2, counters))
            state[f'{name}.conv_branch2b2.weight'] = conv(width, width // 2, 1)
        else:
            mid = width // 2 if name.startswith('b5') else width
            state[f'{name}.conv_branch2a.weight'] = conv(mid, before, 3)
            state.update(bn(f'{name}.bn_branch2b1', mid, counters))
            state[f'{name}.conv_branch2b1.weight'] = conv(width, mid, 3)
        if stride != 1 or before != width:
            state[f'{name}.conv_branch1.weight'] = conv(width, before, 1)
    state.update(bn('bn7', widths[-1], counters))
    return state


def bn_relu(state, name, x):
    return F.relu(F.batch_norm(x, *(state[f'{name}.{part}'] for part in (
        'running_mean', 'running_var', 'weight', 'bias')), eps=1e-5))


def resnet38d_forward(state, x, widths=SMALL):
    """conv4, conv5, conv6."""
    x = F.conv2d(x, state['conv1a.weight'], padding=1)
    taps = {}
    for name, _, _, stride, dilations in blocks(widths):
        def run(x, part, stride=1, dilation=1, name=name):
            weight = state[f'{name}.conv_{part}.weight']
            pad = dilation if weight.shape[-1] == 3 else 0
            return F.conv2d(x, weight, stride=stride, padding=pad, dilation=dilation)

        active = taps[name] = bn_relu(state, f'{name}.bn_branch2a', x)
        if dilations is None:
            y = bn_relu(state, f'{name}.bn_branch2b1', run(active, 'branch2a'))
            y = bn_relu(state, f'{name}.bn_branch2b2', run(y, 'branch2b1', 1, 4))
            y = run(y, 'branch2b2')
        else:
            y = run(active, 'branch2a', stride, dilations[0])
            y = run(bn_relu(state, f'{name}.bn_branch2b1', y), 'branch2b1', 1, dilations[1])
        shortcut = f'{name}.conv_branch1.weight' in state
        x = y + (run(active, 'branch1', stride) if shortcut else x)
    return taps['b5'], taps['b6'], bn_relu(state, 'bn7', x)


def ktse_state(widths=SMALL, classes=3, embed=6, background=True):
    state = resnet38d_state(widths)
    state['fc8.weight'] = conv(embed, widths[-1], 1)
    state.update(bn('bn8', embed, True))
    state['fc9.weight'] = conv(classes + background, embed, 1)
    for i in (1, 2, 3):
        state[f'gconv{i}.att_p.0.weight'] = conv(2, 2 * classes, 3)
        state[f'gconv{i}.att_n.0.weight'] = conv(2, 2 * classes, 3)
    return state


def ktse_forward(state, x, background=True):
    """All score maps and the logits."""
    scores = F.conv2d(F.relu(F.conv2d(resnet38d_forward(state, x)[2], state['fc8.weight'])),
                      state['fc9.weight'])
    cam = scores[:, int(background):]
    level = [F.interpolate(F.adaptive_avg_pool2d(cam, s), cam.shape[2:], mode='bilinear',
                           align_corners=False) for s in (2, 4, 8, 16)]
    a = level[0]
    for i, b in enumerate(level[1:], 1):
        parts = []
        for sign, letter in ((1, 'p'), (-1, 'n')):
            u, v = F.relu(sign * a), F.relu(sign * b)
            g = torch.sigmoid(F.conv2d(
                torch.cat([u, v], 1), state[f'gconv{i}.att_{letter}.0.weight'], padding=1))
            parts.append((u * g[:, 0:1] + v * g[:, 1:2]) / 2)
        a = parts[0] - parts[1]
    logits = ((F.relu(cam) * F.relu(a)).mean((2, 3))
              - (F.relu(-cam) * F.relu(-a)).mean((2, 3)))
    return scores, logits


def seam_state(widths=SMALL, classes=3, mid=(5, 6), out=7):
    return {**resnet38d_state(widths, counters=False),
            'fc8.weight': conv(classes + 1, widths[-1], 1),
            'f8_3.weight': conv(mid[0], widths[3], 1), 'f8_4.weight': conv(mid[1], widths[4], 1),
            'f9.weight': conv(out, 3 + sum(mid), 1)}


def seam_forward(state, x):
    """Score maps and revised maps."""
    conv4, conv5, conv6 = resnet38d_forward(state, x)
    cam = F.conv2d(conv6, state['fc8.weight'])
    n, c, h, w = cam.shape
    d = F.relu(cam)
    d = F.relu(d - 1e-5) / (d.flatten(2).max(-1)[0].view(n, c, 1, 1) + 1e-5)
    best = d[:, 1:].max(1, keepdim=True)[0]
    d = torch.cat([1 - best, d[:, 1:] * (d[:, 1:] >= best)], 1)
    f = torch.cat([F.interpolate(x, (h, w), mode='bilinear', align_corners=True),
                   F.relu(F.conv2d(conv4, state['f8_3.weight'])),
                   F.relu(F.conv2d(conv5, state['f8_4.weight']))], 1)
    f = F.conv2d(f, state['f9.weight']).flatten(2)
    f = f / (f.norm(dim=1, keepdim=True) + 1e-5)
    affinity = F.relu(f.transpose(1, 2) @ f)
    affinity = affinity / (affinity.sum(1, keepdim=True) + 1e-5)
    return cam, (d.flatten(2) @ affinity).view(n, c, h, w)


def resnet50_state():
    """Torchvision's names; weights that need no memory, since no one trains here."""
    state = {'conv1.weight': conv(64, 3, 7), **bn('bn1', 64, True)}
    before = 64
    for layer, (mid, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for i in range(depth):
            name = f'layer{layer}.{i}'
            for j, (o, k, s) in enumerate(((mid, before, 1), (mid, mid, 3), (4 * mid, mid, 1)), 1):
                state[f'{name}.conv{j}.weight'] = conv(o, k, s)
                state.update(bn(f'{name}.bn{j}', o, True))
            if i == 0:
                state[f'{name}.downsample.0.weight'] = conv(4 * mid, before, 1)
                state.update(bn(f'{name}.downsample.1', 4 * mid, True))
            before = 4 * mid
    return state


def resnet50_forward(state, x):
    """The four stages at output stride 16."""
    def norm(name, x):
        return F.batch_norm(x, *(state[f'{name}.{part}'] for part in (
            'running_mean', 'running_var', 'weight', 'bias')), eps=1e-5)

    x = F.relu(norm('bn1', F.conv2d(x, state['conv1.weight'], stride=2, padding=3)))
    x = F.max_pool2d(x, 3, 2, 1)
    stages = []
    for layer, depth in enumerate((3, 4, 6, 3), 1):
        for i in range(depth):
            name = f'layer{layer}.{i}'
            stride = 2 if i == 0 and layer in (2, 3) else 1
            y = F.relu(norm(f'{name}.bn1', F.conv2d(x, state[f'{name}.conv1.weight'])))
            y = F.conv2d(y, state[f'{name}.conv2.weight'], stride=stride, padding=1)
            y = norm(f'{name}.bn3', F.conv2d(
                F.relu(norm(f'{name}.bn2', y)), state[f'{name}.conv3.weight']))
            if i == 0:
                x = norm(f'{name}.downsample.1',
                         F.conv2d(x, state[f'{name}.downsample.0.weight'], stride=stride))
            x = F.relu(x + y)
        stages.append(x)
    return stages


def aliased(resnet, new, first):
    """The same weights under the three kinds of names of IRN (``first=1``) and SIPE (``0``)."""
    state = {f'resnet50.{key}': value for key, value in resnet.items()}
    stem = {'conv1': 0, 'bn1': 1}
    for key, value in resnet.items():
        part, rest = key.split('.', 1)
        if part in stem:
            stage, inner = first, f'{stem[part]}.{rest}'
        elif first == 1 and part == 'layer1':
            stage, inner = 1, f'4.{rest}'
        else:
            stage, inner = int(part[-1]), f'0.{rest}'
        state[f'stage{stage}.{inner}'] = value
        state[f'backbone.{stage - first}.{inner}'] = value
    for i, (key, value) in enumerate(new.items()):
        state[f'{key}.weight'] = state[f'newly_added.{i}.weight'] = value
    return state


def mct_state(classes=3, dim=12, depth=3, grid=2, patch=16):
    state = {'cls_token': torch.randn(1, classes, dim),
             'pos_embed': torch.randn(1, classes + grid ** 2, dim),
             'patch_embed.proj.weight': torch.randn(dim, 3, patch, patch) / 20,
             'patch_embed.proj.bias': torch.randn(dim)}
    for i in range(depth):
        for name, shape in (('norm1', (dim, )), ('attn.qkv', (3 * dim, dim)),
                            ('attn.proj', (dim, dim)), ('norm2', (dim, )),
                            ('mlp.fc1', (4 * dim, dim)), ('mlp.fc2', (dim, 4 * dim))):
            state[f'blocks.{i}.{name}.weight'] = torch.randn(shape) / dim ** 0.5
            state[f'blocks.{i}.{name}.bias'] = torch.randn(shape[0]) / 4
    state.update({'norm.weight': torch.ones(dim), 'norm.bias': torch.zeros(dim),
                  'head.weight': torch.randn(classes, dim, 3, 3) / 10,
                  'head.bias': torch.randn(classes)})
    return state


def mct_forward(state, x, heads=6, depth=3, last=3):
    """Class logits, patch logits, refined fused CAM."""
    classes, dim = state['cls_token'].shape[1:]
    grid = x.shape[-1] // 16
    patches = F.conv2d(x, state['patch_embed.proj.weight'], state['patch_embed.proj.bias'],
                       stride=16)
    t = torch.cat([state['cls_token'].repeat(len(x), 1, 1), patches.flatten(2).transpose(1, 2)], 1)
    t = t + state['pos_embed']
    maps = []
    for i in range(depth):
        def get(name, i=i):
            return state[f'blocks.{i}.{name}.weight'], state[f'blocks.{i}.{name}.bias']

        q, k, v = F.linear(F.layer_norm(t, (dim, ), *get('norm1'), 1e-6),
                           *get('attn.qkv')).chunk(3, -1)
        q, k, v = (z.unflatten(2, (heads, -1)).transpose(1, 2) for z in (q, k, v))
        a = torch.softmax(q @ k.transpose(2, 3) / (dim // heads) ** 0.5, -1)
        maps.append(a.mean(1))
        t = t + F.linear((a @ v).transpose(1, 2).flatten(2), *get('attn.proj'))
        y = F.layer_norm(t, (dim, ), *get('norm2'), 1e-6)
        t = t + F.linear(F.gelu(F.linear(y, *get('mlp.fc1'))), *get('mlp.fc2'))
    patch = t[:, classes:].transpose(1, 2).unflatten(2, (grid, grid))
    cam = F.conv2d(patch, state['head.weight'], state['head.bias'], padding=1)
    fused = sum(maps[-last:])[:, :classes, classes:] * F.relu(cam).flatten(2)
    refined = torch.einsum('npq,ncq->ncp', sum(maps)[:, classes:, classes:], fused)
    return t[:, :classes].mean(-1), cam.mean((2, 3)), refined.unflatten(2, (grid, grid))
