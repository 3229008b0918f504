"""From images to their CAMs, masks and overlays in one call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from torch import Tensor, nn

from mmwsss.datasets.splits import config_classes
from mmwsss.inference.cam_options import inference_options
from mmwsss.inference.cams import seed_mask
from mmwsss.inference.model import load_model, read_config
from mmwsss.models.utils.cam import resize_cam
from mmwsss.models.utils.multi_scale import limited_size, multi_scale_cam, rescale
from mmwsss.registry import INFERENCERS, MODELS
from mmwsss.structures.artifacts import CAMFile, save_cam, write_class_names, write_mask
from mmwsss.utils.images import list_images, write_image
from mmwsss.utils.option_types import fits
from mmwsss.utils.palette import voc_palette
from mmwsss.visualization import overlay_cam, overlay_mask

from .read_image import ImageLike, read_image

Images = ImageLike | Sequence[ImageLike] | Mapping[str, ImageLike]


@INFERENCERS.register_module()
class CAMInferencer:
    """CAMs and mask of images by a trained classifier.

    ::

        infer = CAMInferencer('configs/ktse/ktse_r38_voc.py', 'ktse.pth')
        result = infer('cat.jpg', labels=['cat'])
        result['mask'], result['cam']['cat'], result['overlay']
        infer('folder', out_dir='out')  # all its images, with files

    Args:
        model: Config, its file, or a built model with ``predict_cam`` and ``data_preprocessor``.
        checkpoint: Weights; every key must fit.
        device: Default: a GPU if there is one.
        classes: Names; by default those of the config's data set.
        palette: RGB of background and classes; likewise.
        scales, flip: Of :func:`multi_scale_cam`; by default these and its other options are the
            config's (:func:`~mmwsss.inference.cam_options`).
        threshold: Background score of the mask; not used where the network has its own.
        label_threshold: Image probability from which on a class counts as present where no labels
            are given (the most probable class always does).
        refiner: Config of a mask refiner (``dict(type='CRFMask', bg=0.3)``); None takes the seed.

    Raises:
        FileNotFoundError, ValueError: No such file, weights of another model, or an option out of
            its range.
    """

    def __init__(self,
                 model: str | Path | Config | nn.Module,
                 checkpoint: None | str | Path = None,
                 device: str | None = None,
                 classes: Sequence[str] | None = None,
                 palette: Sequence | None = None,
                 scales: Sequence[float] | None = None,
                 flip: bool | None = None,
                 threshold: float = 0.3,
                 label_threshold: float = 0.5,
                 refiner: dict | None = None):
        for name, value in (('threshold', threshold), ('label_threshold', label_threshold)):
            if not fits(value, float) or not 0 <= value <= 1:
                raise ValueError(f'CAMInferencer: {name}={value!r} must be a number in [0, 1]')
        if isinstance(model, nn.Module):
            if checkpoint is not None:
                raise ValueError('CAMInferencer: checkpoint= goes with a config; a built model has '
                                 'its weights')
            cfg = Config(dict(model=dict(test_cfg=getattr(model, 'test_cfg', None))))
            self.model = model.eval() if device is None else model.to(device).eval()
        else:
            cfg = read_config(model)
            names, colors = config_classes(cfg)
            classes, palette = classes or names, palette or colors
            self.model = load_model(cfg, checkpoint, device)
        if not hasattr(self.model, 'predict_cam'):
            raise ValueError('CAMInferencer: the model is no classifier (it has no predict_cam); '
                             'for a segmentation model take SegmentationInferencer or '
                             'tools/infer.py')
        count = self.model.num_classes
        self.classes = tuple(classes or (f'class {i}' for i in range(count)))
        if len(self.classes) != count:
            raise ValueError(f'CAMInferencer: {len(self.classes)} names for {count} classes of the '
                             'model; give classes=... in the order of training')
        self.palette = palette or voc_palette(count + 1)
        self.options = inference_options(cfg, scales=scales, flip=flip)
        self.threshold = threshold
        self.label_threshold = label_threshold
        self.refiner = None if refiner is None else MODELS.build(refiner)
        if getattr(self.refiner, 'suffix', '.png') != '.png':
            raise ValueError(f'CAMInferencer: {type(self.refiner).__name__} makes no mask; take a '
                             'mask refiner')

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def __call__(self, images: Images, labels: Sequence | Mapping | None = None,
                 batch_size: int = 1, out_dir: None | str | Path = None) -> dict | list[dict]:
        """
        Args:
            images: An image, see :func:`~mmwsss.apis.read_image.read_image`; a folder (all images
                below it); a list of images, or a dict of them by name.
            labels: Classes in the image by name or index; of each image for more than one, or
                names and indices that hold for all of a folder or dict, or a dict of them by the
                images' names; None asks the classifier.
            batch_size: Images of equal size that go through the network together.
            out_dir: Also write ``cams/<name>.npz`` (as the CAM stage does), ``masks/<name>.png``
                and ``overlays/<name>.png`` there; the name is the file's (relative to the folder),
                or the position in the list. ``masks/classes.txt`` and the masks themselves name
                the classes.

        Returns:
            A dict (a list of them for more than one image): ``name``; ``cam`` name to ``(H, W)``
            float32 in [0, 1]; ``background`` ``(H, W)`` likewise where the network scores it
            itself (SIPE), else None; ``mask`` uint8 ``(H, W)``, 0 background, ``1..C``; ``overlay``
            RGB uint8 of the mask; ``cam_overlay`` name to that of each CAM; ``labels`` the names;
            ``scores`` name to image probability, of all classes.

        Raises:
            FileNotFoundError, ValueError: An image cannot be read, a label is not known, or two
                images would be written to one file, or one outside ``out_dir``.
        """
        results = list(self.stream(images, labels, batch_size, out_dir))
        return results[0] if _is_single(images) else results

    def stream(self, images: Images, labels: Sequence | Mapping | None = None,
               batch_size: int = 1, out_dir: None | str | Path = None,
               failed: dict[str, str] | None = None) -> Iterator[dict]:
        """As a call, but the results come one by one, so that memory holds one batch of them.

        Args:
            images, labels, batch_size, out_dir: As of a call.
            failed: Is filled with the message by name of each image that cannot be read, which then
                does not stop the others.
        """
        if not fits(batch_size, int) or batch_size < 1:
            raise ValueError(f'CAMInferencer: batch_size={batch_size!r} must be a positive integer')
        single = _is_single(images)
        if not single and isinstance(images, (str, Path)):
            images = list_images([images])
        named = isinstance(images, Mapping)
        if named:
            names, images = list(images), list(images.values())
        else:
            images = [images] if single else list(images)
            names = [Path(x).stem if isinstance(x, (str, Path)) else f'{i:05d}'
                     for i, x in enumerate(images)]
        if named and isinstance(labels, Mapping):
            unknown = sorted(set(labels) - set(names))
            if unknown:
                raise ValueError(f'CAMInferencer: labels of {unknown[:5]}, but there are no such '
                                 f'images; there are {names[:5]}')
            labels = [labels.get(name) for name in names]
        if labels is None or single or named and all(isinstance(x, (str, int)) for x in labels):
            labels = [labels] * len(images)
        if len(labels) != len(images):
            raise ValueError(f'CAMInferencer: labels of {len(labels)} images for {len(images)} '
                             'images; give one list of classes (or None) per image')
        if out_dir is not None:
            _check_distinct(names, images)
            write_class_names(Path(out_dir) / 'masks', ('background', *self.classes), self.palette)
        for batch in self._batches(zip(names, images, labels), batch_size, failed):
            for result in self._infer(*zip(*batch)):
                if out_dir is not None:
                    self._save(result, Path(out_dir))
                yield result

    def _batches(self, items: Iterable[tuple], batch_size: int,
                 failed: dict[str, str] | None) -> Iterable[list[tuple]]:
        """Consecutive items of one image size, at most ``batch_size`` together."""
        batch: list[tuple] = []
        for name, image, labels in items:
            try:
                item = (name, read_image(image), labels)
            except (OSError, ValueError) as error:
                if failed is None:
                    raise
                failed[name] = str(error)
                continue
            if batch and item[1].shape != batch[0][1].shape:
                yield batch
                batch = []
            batch.append(item)
            if len(batch) >= batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _indices(self, labels: str | int | Sequence[str | int]) -> list[int]:
        if isinstance(labels, (str, int, np.integer)):
            labels = [labels]
        indices = set()
        for label in labels:
            if isinstance(label, str) and label in self.classes:
                indices.add(self.classes.index(label))
            elif (isinstance(label, (int, np.integer)) and not isinstance(label, bool)
                  and 0 <= label < len(self.classes)):
                indices.add(int(label))
            else:
                raise ValueError(f'CAMInferencer: no class {label!r}; there are '
                                 f'{list(self.classes)} (or their indices from 0)')
        return sorted(indices)

    def _keys(self, probability: np.ndarray, labels: Any) -> list[int]:
        """Indices of the classes that are given, or that the classifier finds."""
        if labels is not None:
            return self._indices(labels)
        keys = np.flatnonzero(probability >= self.label_threshold).tolist()
        return keys or [int(probability.argmax())]

    @torch.no_grad()
    def _infer(self, names: Sequence[str], images: Sequence[np.ndarray],
               labels: Sequence) -> list[dict]:
        """The results of images of one size."""
        tensors = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
                   for image in images]
        data = dict(inputs={'image': tensors}, data_samples={})
        inputs: Tensor = self.model.data_preprocessor(data, False)['inputs']['image']
        inputs = rescale(inputs, limited_size(inputs.shape[-2:], self.options['max_side']))
        probabilities = self.model.predict_logits(inputs).sigmoid().cpu().numpy()
        keys = [self._keys(*pair) for pair in zip(probabilities, labels)]
        present = inputs.new_zeros(len(images), len(self.classes))
        for row, some in zip(present, keys):
            row[some] = 1
        cams, backgrounds = multi_scale_cam(
            self.model, inputs, present, background=True, **self.options)
        cams = cams.float().cpu()
        maps = [None] * len(cams) if backgrounds is None else backgrounds[:, 0].cpu().numpy()
        return [self._result(name, image, resize_cam(cam[some], image.shape[:2]).numpy(), some,
                             probability, background)
                for name, image, cam, some, probability, background
                in zip(names, images, cams, keys, probabilities, maps)]

    def _result(self, name: str, image: np.ndarray, cam: np.ndarray, keys: list[int],
                probability: np.ndarray, background: np.ndarray | None) -> dict:
        if self.refiner is None:
            mask = seed_mask(CAMFile(cam, keys, image.shape[:2], background), self.threshold)
        else:
            mask = self.refiner(image, cam, keys, background)
        rgb = np.ascontiguousarray(image[..., ::-1])
        names = [self.classes[key] for key in keys]
        return dict(
            name=name,
            cam=dict(zip(names, cam)),
            background=None if background is None else resize_cam(
                background[None], image.shape[:2])[0].numpy(),
            mask=mask,
            overlay=overlay_mask(rgb, mask, self.palette),
            cam_overlay={name: overlay_cam(rgb, c) for name, c in zip(names, cam)},
            labels=names,
            scores=dict(zip(self.classes, probability.tolist())))

    def _save(self, result: dict, folder: Path) -> None:
        name, keys = result['name'], self._indices(result['labels'])
        size = result['mask'].shape
        cam = np.array(list(result['cam'].values()), np.float32).reshape(-1, *size)
        save_cam(folder / 'cams' / f'{name}.npz', cam, keys, size, result['background'])
        write_mask(folder / 'masks' / f'{name}.png', result['mask'], self.palette,
                   ('background', *self.classes))
        write_image(folder / 'overlays' / f'{name}.png', result['overlay'])


def _is_single(images: Any) -> bool:
    """One file, PIL image or array; no folder, list or dict."""
    if isinstance(images, (str, Path)):
        return not Path(images).is_dir()
    return (isinstance(images, Image.Image) or getattr(images, 'ndim', 4) < 4
            or not isinstance(images, Iterable))


def _check_distinct(names: Sequence[str], images: Sequence[ImageLike]) -> None:
    """Refuse two images of one name, of which one would be lost, and names that lead elsewhere."""
    known: dict[str, ImageLike] = {}
    for name, image in zip(names, images):
        if PurePosixPath(name).is_absolute() or '..' in PurePosixPath(name).parts:
            raise ValueError(f'CAMInferencer: the image "{name}" would be written outside out_dir')
        if name in known:
            raise ValueError(
                f'"{known[name]}" and "{image}" would both be written as "{name}"; rename one of '
                'them, or give a dict of images by name')
        known[name] = image
