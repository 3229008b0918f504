"""mmseg's segmentor with several scales: in training, and in testing with flip and dense CRF."""

from collections.abc import Sequence
from typing import Any

import mmcv
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..refiners import make_crf
from ..utils.cam import resize_maps
from ..utils.multi_scale import fast_layout

TEST_OPTIONS = {'mode', 'crop_size', 'stride', 'scales', 'flip', 'merge', 'crf'}
MERGES = ('logits', 'prob', 'max', 'prob_max')


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class MSCEncoderDecoder(EncoderDecoder):
    """``mmseg.EncoderDecoder`` with multi-scale training and testing.

    Training (``train_scales``, the MSC of DeepLabV2 in deeplab-pytorch): the image is also
    forwarded at each of the scales; the cross-entropy of every scale and of their maximum is added,
    each against the labels brought to the size of its logits (nearest).

    Testing (``test_cfg``, besides mmseg's ``mode``):

    - ``scales`` (default ``(1.0,)``) and ``flip`` (default False): the views, an image and its
      mirror image as one batch;
    - ``merge``: ``'logits'``, mean of the logits (default, as in wseg); ``'prob'``, mean of the
      softmax; ``'max'``, maximum of the logits (as in deeplab-pytorch and BECO); ``'prob_max'``,
      maximum of the softmax (as in MCTformer);
    - ``crf``: a preset (``'deeplab'``) or options of :func:`~mmwsss.models.refiners.make_crf`,
      applied at the size of the image, which is read again from ``img_path``. None: no CRF.

    Args:
        train_scales: Scales beside 1, e.g. ``(0.75, 0.5)``.
        Others: as in mmseg.

    Raises:
        ValueError: An unknown or contradictory option.
    """

    def __init__(self, *args, train_scales: Sequence[float] = (), **kwargs) -> None:
        super().__init__(*map(scoped, args),
                         **{name: scoped(value) for name, value in kwargs.items()})
        self.train_scales = tuple(train_scales)
        if any(scale <= 0 for scale in self.train_scales):
            raise ValueError(f'train_scales={train_scales} must be positive')
        if self.train_scales and self.with_auxiliary_head:
            raise ValueError('train_scales goes without auxiliary_head; leave one of them out')
        check_score_maps(self.decode_head)
        self._check_test_cfg()
        self.crf = make_crf((self.test_cfg or {}).get('crf'))

    def _check_test_cfg(self) -> None:
        cfg = self.test_cfg or {}
        unknown = set(cfg) - TEST_OPTIONS
        if unknown:
            raise ValueError(f'test_cfg has no option {sorted(unknown)}; it has '
                             f'{sorted(TEST_OPTIONS)}')
        if cfg.get('merge', 'logits') not in MERGES:
            raise ValueError(f'test_cfg.merge={cfg["merge"]!r} must be one of {MERGES}')
        scales = cfg.get('scales', (1.,))
        if not scales or any(scale <= 0 for scale in scales):
            raise ValueError(f'test_cfg.scales={scales} must be positive and at least one')
        if cfg.get('mode') == 'slide' and {'scales', 'flip', 'merge'} & set(cfg):
            raise ValueError("test_cfg.mode='slide' knows no scales, flip or merge; use 'whole'")

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Losses of a batch ``(N, 3, H, W)``; see the class for ``train_scales``."""
        if not self.train_scales:
            return super().loss(inputs, data_samples)
        logits = {'x1': self._forward(inputs)}
        for scale in self.train_scales:
            logits[f'x{scale:g}'] = self._forward(resize_maps(inputs, _scaled(inputs, scale)))
        size = logits['x1'].shape[2:]
        logits['max'] = torch.stack([resize_maps(x, size) for x in logits.values()]).amax(0)

        labels = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).float()
        losses = {}
        for name, x in logits.items():
            small = F.interpolate(labels, x.shape[2:], mode='nearest-exact').long()
            samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in small]
            losses.update(add_prefix(
                self.decode_head.loss_by_feat(x, samples), f'decode_{name}'))
        return losses

    def whole_inference(self, inputs: Tensor, batch_img_metas: list) -> Tensor:
        """Logits ``(N, num_classes, H, W)`` of the merged views, the logarithm of probabilities."""
        cfg = self.test_cfg
        merge, flip = cfg.get('merge', 'logits'), cfg.get('flip', False)
        as_prob, as_max = merge.startswith('prob'), merge.endswith('max')
        size, count, merged = inputs.shape[2:], 0, None
        for scale in cfg.get('scales', (1.,)):
            x = resize_maps(inputs, _scaled(inputs, scale))
            logits = self._forward(fast_layout(torch.cat([x, x.flip(3)]) if flip else x))
            logits = F.interpolate(
                logits, size, mode='bilinear', align_corners=self.align_corners)
            views = logits.split(len(inputs))
            for view in (views[0], views[1].flip(3)) if flip else views:
                view = view.softmax(1) if as_prob else view
                count += 1
                if merged is None:
                    merged = view
                else:
                    merged = torch.maximum(merged, view) if as_max else merged + view
        merged = merged if as_max else merged / count
        return merged.clamp_min(1e-12).log() if as_prob else merged

    def postprocess_result(self, seg_logits: Tensor, data_samples=None) -> list:
        """mmseg's data samples at the size of their images, refined by the CRF if asked for.

        Raises:
            ValueError: The CRF is asked for, but a sample does not say where its image lies.
        """
        samples = super().postprocess_result(seg_logits, data_samples)
        if self.crf is None:
            return samples
        for sample in samples:
            path = sample.metainfo.get('img_path')
            if not path:
                raise ValueError('test_cfg.crf reads the image again, but a sample has no '
                                 'img_path; test on files, or set test_cfg.crf=None')
            logits = sample.seg_logits.data
            prob = self.crf(
                mmcv.imread(path, channel_order='rgb'), logits.softmax(0).float().cpu().numpy())
            prob = torch.as_tensor(prob).to(logits)
            sample.seg_logits.data = prob.clamp_min(1e-12).log()
            sample.pred_sem_seg.data = prob.argmax(0, keepdim=True)
        return samples


def check_score_maps(head: nn.Module) -> None:
    """Raises:
        ValueError: The head has not one score map for each class (mmseg's ``out_channels=1``).
    """
    if head.out_channels != head.num_classes:
        raise ValueError(
            f'model.decode_head.out_channels={head.out_channels} for num_classes='
            f'{head.num_classes}: a score map for each class is needed, the background included; '
            'leave out_channels out')


def scoped(part: Any) -> Any:
    """The config of a part, its type marked as ours if it is: mmseg's inferencer builds the model
    in its own scope."""
    if isinstance(part, dict) and part.get('type') in MODELS.module_dict:
        return {**part, 'type': f'mmwsss.{part["type"]}'}
    return part


def _scaled(x: Tensor, scale: float) -> tuple:
    return tuple(max(1, round(length * scale)) for length in x.shape[2:])
