"""From an image to its CAMs, mask and overlay in one call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.datasets.transforms import LoadImage
from mmwsss.inference.cams import load_model, read_config, seed_mask
from mmwsss.inference.multi_scale import multi_scale_cam
from mmwsss.registry import DATASETS, INFERENCERS, MODELS
from mmwsss.utils.masks import voc_palette
from mmwsss.visualization import overlay_cam, overlay_mask

Picture = Union[str, Path, np.ndarray]
Labels = Sequence[Union[str, int]]


@INFERENCERS.register_module()
class CAMInferencer:
    """CAMs and mask of images by a trained classifier.

    ::

        infer = CAMInferencer('configs/ktse/ktse_r38_voc.py', 'ktse.pth')
        result = infer('cat.jpg', labels=['cat'])
        result['mask'], result['cam']['cat'], result['overlay']

    Args:
        model: Config, its file, or a built model with ``predict_cam`` and ``data_preprocessor``.
        checkpoint: Weights; every key must fit.
        device: Default: a GPU if there is one.
        classes: Names; by default those of the config's data set.
        palette: RGB of background and classes; likewise.
        scales, flip: Of :func:`multi_scale_cam`; by default those of the config's ``pipeline.cam``
            or ``model.test_cfg``.
        threshold: Background score of the mask.
        label_threshold: Image probability from which on a class counts as present where no labels
            are given (the most probable class always does).
        refiner: Config of a mask refiner (``dict(type='CRFMask', bg=0.3)``); None takes the seed.

    Raises:
        FileNotFoundError, ValueError: No such file, or weights of another model.
    """

    def __init__(self,
                 model: Union[str, Path, Config, nn.Module],
                 checkpoint: Union[None, str, Path] = None,
                 device: Optional[str] = None,
                 classes: Optional[Sequence[str]] = None,
                 palette: Optional[Sequence] = None,
                 scales: Optional[Sequence[float]] = None,
                 flip: Optional[bool] = None,
                 threshold: float = 0.3,
                 label_threshold: float = 0.5,
                 refiner: Optional[dict] = None):
        options: dict = {}
        if isinstance(model, nn.Module):
            if checkpoint is not None:
                raise ValueError('CAMInferencer: checkpoint= goes with a config; a built model has '
                                 'its weights')
            self.model = model.eval() if device is None else model.to(device).eval()
        else:
            cfg = read_config(model)
            options = dict(cfg.model.get('test_cfg') or {})
            options.update((cfg.get('pipeline') or {}).get('cam') or {})
            names, colors = _classes_of(cfg)
            classes, palette = classes or names, palette or colors
            self.model = load_model(cfg, checkpoint, device)
        count = self.model.num_classes
        self.classes = tuple(classes or (f'class {i}' for i in range(count)))
        if len(self.classes) != count:
            raise ValueError(f'CAMInferencer: {len(self.classes)} names for {count} classes of the '
                             'model; give classes=... in the order of training')
        self.palette = palette or voc_palette(count + 1)
        self.scales = tuple(scales or options.get('scales') or (1., ))
        self.flip = bool(options.get('flip', True) if flip is None else flip)
        self.threshold = threshold
        self.label_threshold = label_threshold
        self.refiner = None if refiner is None else MODELS.build(refiner)
        self._load = LoadImage()

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def __call__(self, pictures: Union[Picture, Sequence[Picture]],
                 labels: Optional[Sequence] = None) -> Union[dict, list[dict]]:
        """
        Args:
            images: A file or an uint8 BGR array ``(H, W, 3)`` as of OpenCV; or a list of them.
            labels: Classes in the image by name or index (of each image, for a list); None asks
                the classifier.

        Returns:
            A dict (a list of them for a list): ``cam`` name to ``(H, W)`` float32 in [0, 1];
            ``mask`` uint8 ``(H, W)``, 0 background, ``1..C``; ``overlay`` RGB uint8 of the mask;
            ``cam_overlay`` name to that of each CAM; ``labels`` the names; ``scores`` name to image
            probability, of all classes.

        Raises:
            FileNotFoundError, ValueError: An image cannot be read, or a label is not known.
        """
        if isinstance(pictures, (str, Path)) or getattr(pictures, 'ndim', 0) == 3:
            return self._one(pictures, labels)
        pictures = list(pictures)
        if labels is None:
            labels = [None] * len(pictures)
        if len(labels) != len(pictures):
            raise ValueError(f'CAMInferencer: labels of {len(labels)} images for {len(pictures)} '
                             'images; give one list of classes (or None) per image')
        return [self._one(*pair) for pair in zip(pictures, labels)]

    def _image(self, picture: Picture) -> np.ndarray:
        if isinstance(picture, (str, Path)):
            return self._load(dict(img_path=str(picture)))['img']
        picture = np.asarray(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f'CAMInferencer: an image must be a file or an uint8 BGR array '
                             f'(H, W, 3), not {picture.dtype} {picture.shape}')
        return picture

    def _indices(self, labels: Union[str, int, Labels]) -> list[int]:
        if isinstance(labels, (str, int, np.integer)):
            labels = [labels]
        indices = set()
        for label in labels:
            if isinstance(label, str) and label in self.classes:
                indices.add(self.classes.index(label))
            elif isinstance(label, (int, np.integer)) and 0 <= label < len(self.classes):
                indices.add(int(label))
            else:
                raise ValueError(f'CAMInferencer: no class {label!r}; there are '
                                 f'{list(self.classes)} (or their indices from 0)')
        return sorted(indices)

    @torch.no_grad()
    def _one(self, picture: Picture, labels: Any) -> dict:
        image = self._image(picture)
        data = dict(inputs={'image': [torch.from_numpy(
            np.ascontiguousarray(image.transpose(2, 0, 1)))]}, data_samples={})
        inputs = self.model.data_preprocessor(data, False)['inputs']['image']
        probability = self.model.predict_logits(inputs)[0].sigmoid().cpu().numpy()
        if labels is None:
            keys = np.flatnonzero(probability >= self.label_threshold).tolist()
            keys = keys or [int(probability.argmax())]
        else:
            keys = self._indices(labels)
        present = inputs.new_zeros(1, len(self.classes))
        present[0, keys] = 1
        cam = multi_scale_cam(self.model, inputs, present, self.scales, self.flip)[0, keys]
        cam = cam.float().cpu().numpy()
        if self.refiner is None:
            mask = seed_mask(cam, np.array(keys, np.int64), image.shape[:2], self.threshold)
        else:
            mask = self.refiner(image, cam, keys)
        rgb = np.ascontiguousarray(image[..., ::-1])
        names = [self.classes[key] for key in keys]
        return dict(
            cam=dict(zip(names, cam)),
            mask=mask,
            overlay=overlay_mask(rgb, mask, self.palette),
            cam_overlay={name: overlay_cam(rgb, c) for name, c in zip(names, cam)},
            labels=names,
            scores=dict(zip(self.classes, probability.tolist())))


def _classes_of(cfg: Config) -> tuple[Optional[Sequence[str]], Optional[Sequence]]:
    """Names and colours that the config's data set says; nothing is read from disk."""
    dataset = cfg.get('train_dataloader', {}).get('dataset', {})
    while isinstance(dataset.get('dataset'), dict):
        dataset = dataset['dataset']
    known = getattr(DATASETS.get(dataset['type']), 'METAINFO', {}) if 'type' in dataset else {}
    info = {**known, **(dataset.get('metainfo') or {})}
    classes, palette = info.get('classes'), info.get('palette')
    if classes and palette and len(palette) != len(classes) + 1 and known.get('classes'):
        known_classes = list(known['classes'])
        palette = [palette[0], *(palette[known_classes.index(name) + 1] for name in classes)]
    return classes, palette
