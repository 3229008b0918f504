"""DeiT with one class token per class (MCTformer, CVPR 2022)."""

from collections.abc import Sequence

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


class Attention(nn.Module):
    """Multi-head self-attention that also gives the mean of its heads' weights."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)
        x = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        return self.proj(x), weights.mean(dim=1)


class MLP(nn.Module):

    def __init__(self, dim: int, ratio: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, dim * ratio)
        self.fc2 = nn.Linear(dim * ratio, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        attended, weights = self.attn(self.norm1(x))
        x = x + self.drop_path(attended)
        return x + self.drop_path(self.mlp(self.norm2(x))), weights


class PatchEmbed(nn.Module):
    """Tokens of patches; with a ``stem``, of its features, each of whose layers halves the side."""

    def __init__(self, patch_size: int, dim: int, stem: Sequence[int] = ()):
        super().__init__()
        channels = (3, *stem)
        self.stem = nn.Sequential(*(
            nn.Sequential(
                nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in zip(channels, channels[1:])))
        rest = patch_size >> len(stem)
        if rest << len(stem) != patch_size or rest == 0:
            raise ValueError(f'MCTDeiT: patch_size={patch_size} cannot be halved by each of the '
                             f'{len(stem)} layers of stem={tuple(stem)}')
        self.proj = nn.Conv2d(channels[-1], dim, rest, rest)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.stem(x))


@MODELS.register_module()
class MCTDeiT(BaseModule):
    """Vision transformer (DeiT-S/16 by default) with C class tokens.

    Parameters are named as in timm, so DeiT's ImageNet file (``deit_small_patch16_224``) loads by
    ``init_cfg``; its one class token and that token's position are repeated for every class.

    Two processes give the gradient of one with their batches joined but for two things: each draws
    the layers that stochastic depth drops for itself, and the batch norm of a ``stem`` sees its own
    images only (``sync_bn='torch'`` in the config joins them on GPUs).

    Args:
        num_classes: Class tokens C.
        img_size: Side of the image that the position embedding is made for; it is interpolated
            (bicubic) for images of other sizes.
        patch_size: Side of a patch; what is left over at the right and bottom is not seen.
        embed_dims: Width D of a token.
        depth: Number of layers L.
        num_heads: Attention heads per layer.
        mlp_ratio: Hidden width of the MLPs over D.
        drop_path_rate: Stochastic depth of the last layer, rising linearly from 0.
        stem: Channels of 3x3 convolutions with stride 2, batch norm and ReLU before the patches are
            cut, which let a transformer learn from few images. Not in MCTformer.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` or None.

    Raises:
        ValueError: The patch cannot be halved by each layer of the stem.
    """

    def __init__(self,
                 num_classes: int,
                 img_size: int = 224,
                 patch_size: int = 16,
                 embed_dims: int = 384,
                 depth: int = 12,
                 num_heads: int = 6,
                 mlp_ratio: int = 4,
                 drop_path_rate: float = 0.,
                 stem: Sequence[int] = (),
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.patch_size = patch_size
        self.grid = img_size // patch_size
        self.out_channels = embed_dims
        self.patch_embed = PatchEmbed(patch_size, embed_dims, stem)
        self.cls_token = nn.Parameter(torch.zeros(1, num_classes, embed_dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_classes + self.grid ** 2, embed_dims))
        self.blocks = nn.ModuleList(
            Block(embed_dims, num_heads, mlp_ratio, drop_path_rate * i / max(depth - 1, 1))
            for i in range(depth))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def init_weights(self) -> None:
        # DeiT's final norm and classifier have no place here.
        if not init_from_pretrained(self, ignore=(r'norm\.', r'head\.')):
            super().init_weights()

    def adapt_state_dict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights with one class token, or of another image size, to this network's shapes."""
        state = dict(state)
        token, position = state.get('cls_token'), state.get('pos_embed')
        if token is None or position is None:
            return state
        tokens = token.shape[1]
        classes, patches = position[:, :tokens], position[:, tokens:]
        if tokens == 1:
            state['cls_token'] = token.expand(-1, self.num_classes, -1).clone()
            classes = classes.expand(-1, self.num_classes, -1)
        side = round(patches.shape[1] ** 0.5)
        if side != self.grid and side ** 2 == patches.shape[1]:
            patches = F.interpolate(
                patches.unflatten(1, (side, side)).permute(0, 3, 1, 2), (self.grid, self.grid),
                mode='bicubic', align_corners=False).flatten(2).transpose(1, 2)
        state['pos_embed'] = torch.cat([classes, patches], dim=1)
        return state

    def _positions(self, height: int, width: int) -> Tensor:
        """Position embedding ``(1, C + hw, D)`` for a grid of patches."""
        if (height, width) == (self.grid, self.grid):
            return self.pos_embed
        classes = self.pos_embed[:, :self.num_classes]
        patches = self.pos_embed[:, self.num_classes:].unflatten(1, (self.grid, self.grid))
        # The published checkpoints were used with this slightly larger factor, which guards the
        # output size against rounding; `size=` would sample at slightly other places.
        patches = F.interpolate(
            patches.permute(0, 3, 1, 2),
            scale_factor=((height + 0.1) / self.grid, (width + 0.1) / self.grid),
            mode='bicubic', align_corners=False, recompute_scale_factor=False)
        return torch.cat([classes, patches.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Args:
            x: Normalised images ``(N, 3, H, W)``.

        Returns:
            Patch map ``(N, D, h, w)``, class tokens ``(N, C, D)``, and the attention of all layers,
            averaged over heads, ``(N, L, C + hw, C + hw)``: row attends to column.
        """
        x = self.patch_embed(x)
        size = x.shape[-2:]
        tokens = torch.cat(
            [self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + self._positions(*size)
        attention = []
        for block in self.blocks:
            tokens, weights = block(tokens)
            attention.append(weights)
        classes, patches = tokens[:, :self.num_classes], tokens[:, self.num_classes:]
        return patches.transpose(1, 2).unflatten(2, size), classes, torch.stack(attention, dim=1)
