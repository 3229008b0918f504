"""Any convolutional network of timm as a backbone."""

import difflib
import re
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


def _create(name: str, **options) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError('TimmBackbone needs timm: pip install timm') from error
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f'; did you mean {" or ".join(near)}?' if near else ''
        raise ValueError(f'TimmBackbone: timm has no model "{name}"{hint}')
    try:
        return timm.create_model(name, num_classes=0, global_pool='', **options)
    except (TypeError, AssertionError) as error:
        raise ValueError(f'TimmBackbone: "{name}" cannot be built with {options} ({error}); take '
                         'another output_stride (None is the network\'s own) or another model'
                         ) from error


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A network of timm without its pooling and classifier.

    Args:
        model: Name in timm, e.g. ``tf_efficientnet_lite0``.
        output_stride: Late strides are replaced by dilation; None keeps the network's own (and is
            the only choice where timm cannot dilate).
        out_indices: Which maps to return: timm's stages from 0, and -1 the last map, which the
            network's own classifier would pool.
        frozen_stages: The stem and the first so many of timm's stages are not trained, and build no
            graph unless the image itself needs a gradient; 0 or -1 freezes nothing.
        norm_eval: Batch norms keep their statistics, and their affine parameters are frozen.
        options: Further arguments of ``timm.create_model`` (``drop_path_rate``, ...).
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` with timm's own keys, of which those
            of the classifier are left out, or None. EfficientNet-Lite's public weights are
            converted by ``tools/model_converters/efficientnet_lite_to_timm.py``.

    Raises:
        ImportError: timm is not installed.
        ValueError: An unknown model, or an option that it does not take.
    """

    def __init__(self,
                 model: str,
                 output_stride: int | None = 16,
                 out_indices: Sequence[int] = (-1, ),
                 frozen_stages: int = -1,
                 norm_eval: bool = True,
                 options: dict | None = None,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        options = dict(options or {})
        if output_stride is not None:
            options['output_stride'] = output_stride
        self.model = _create(model, **options)
        stages = self.model.feature_info
        stages = stages if isinstance(stages, list) else stages.info
        if not out_indices or not all(-1 <= i < len(stages) for i in out_indices):
            raise ValueError(f'TimmBackbone: out_indices={out_indices} of "{model}" must be stages '
                             f'0 to {len(stages) - 1}, or -1 for the last map')
        if not -1 <= frozen_stages <= len(stages):
            raise ValueError(f'TimmBackbone: frozen_stages={frozen_stages} of "{model}" must be 0 '
                             f'(or -1, none) to {len(stages)}')
        self.out_indices = tuple(out_indices)
        self.feat_channels = tuple(
            self.model.num_features if i == -1 else stages[i]['num_chs'] for i in out_indices)
        self.out_channels = self.feat_channels[-1]
        self.norm_eval = norm_eval
        self._frozen = self._modules_up_to(
            [stage['module'] for stage in stages[:max(frozen_stages, 0)]])
        self.train()

    def _modules_up_to(self, stages: list[str]) -> list[nn.Module]:
        """The modules without children that come before the end of the last of the stages."""
        leaves = [(name, module) for name, module in self.model.named_modules()
                  if not list(module.children())]
        inside = [i for i, (name, _) in enumerate(leaves)
                  if stages and f'{name}.'.startswith(f'{stages[-1]}.')]
        return [module for _, module in leaves[:inside[-1] + 1]] if inside else []

    def adapt_state_dict(self, state: dict) -> dict:
        """timm's names to those of this module."""
        return {key if key.startswith('model.') else f'model.{key}': value
                for key, value in state.items()}

    def init_weights(self) -> None:
        heads = self.model.default_cfg.get('classifier') or ()
        heads = [heads] if isinstance(heads, str) else heads
        if not init_from_pretrained(self, ignore=[rf'model\.{re.escape(h)}\.' for h in heads]):
            super().init_weights()

    def train(self, mode: bool = True) -> 'TimmBackbone':
        super().train(mode)
        fixed = list(self._frozen)
        if self.norm_eval:
            fixed += [m for m in self.modules() if isinstance(m, _BatchNorm)]
        for module in fixed:
            module.eval().requires_grad_(False)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            x: Normalised images ``(N, 3, H, W)``.

        Returns:
            The maps of ``out_indices``, each ``(N, channels, h, w)``.
        """
        stages = sorted({i for i in self.out_indices if i >= 0})
        if not stages:
            last = self.model.forward_features(x)
            return (last, ) * len(self.out_indices)
        last, maps = self.model.forward_intermediates(x, indices=stages)
        maps = {-1: last, **dict(zip(stages, maps))}
        return tuple(maps[i] for i in self.out_indices)
