"""A trained segmentation model on new images of any size."""

import csv
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.datasets.splits import config_classes
from mmwsss.inference import load_model, read_config
from mmwsss.inference.settings import check_settings, model_digest
from mmwsss.models.segmentors.msc_encoder_decoder import check_score_maps
from mmwsss.registry import INFERENCERS
from mmwsss.structures.artifacts import read_mask, write_class_names, write_mask
from mmwsss.utils import atomic_write, load_checkpoint_safely
from mmwsss.utils.images import write_image
from mmwsss.utils.io import file_digest
from mmwsss.utils.palette import voc_palette
from mmwsss.utils.progress import track
from mmwsss.visualization import overlay_mask

from . import exports
from .read_image import ImageLike, read_image

EXPORTS = ('coco', 'yolo', 'cvat', 'labelme')


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin that cover ``length`` evenly and overlap by at least ``overlap``."""
    if length <= tile:
        return [0]
    last = math.ceil((length - tile) / (tile - overlap))
    return [round(i * (length - tile) / last) for i in range(last + 1)]


@INFERENCERS.register_module()
class SegmentationInferencer:
    """Masks of images by a trained segmentation model, in bounded memory.

    mmseg's ``MMSegInferencer`` holds the logits of a whole image (2 GB for 6000 x 4000 pixels of 21
    classes). Here an image larger than ``tile`` is cut into overlapping tiles, the logits of each
    go through ``test_cfg`` as a whole image's would, their mean decides, and only one row of tiles
    is held at a time. ``test_cfg.crf`` refines each tile. The pixels go in at their own size: a
    ``Resize`` in the test pipeline is not applied, ``max_side`` takes its place.

    ::

        infer = SegmentationInferencer('deeplab.py', 'deeplab.pth')
        mask = infer('cat.jpg')

    Args:
        config: Config or its file.
        checkpoint: Weights; every key must fit.
        device: Default: a GPU if there is one.
        classes: Foreground names; by default those that the checkpoint or the config knows.
        palette: RGB of background and classes; likewise.
        max_side: Larger images are reduced to this long side, and their masks enlarged (nearest).
        tile: Side of the tiles in pixels of the reduced image.
        overlap: Of neighbouring tiles, in the same pixels; below ``tile``.

    Raises:
        FileNotFoundError, ValueError: No such file, weights of another model, or a wrong option.
    """

    def __init__(self,
                 config: str | Path | Config,
                 checkpoint: str | Path | None = None,
                 device: str | None = None,
                 classes: Sequence[str] | None = None,
                 palette: Sequence | None = None,
                 max_side: int | None = None,
                 tile: int = 640,
                 overlap: int = 160):
        if not 0 <= overlap < tile:
            raise ValueError(f'overlap={overlap} must be at least 0 and below tile={tile}')
        if max_side is not None and max_side < 1:
            raise ValueError(f'max_side={max_side} must be positive')
        cfg = read_config(config)
        self.checkpoint = checkpoint
        self.model = load_model(cfg, checkpoint, device)
        self.model_digest = model_digest(cfg)
        if not hasattr(self.model, 'decode_head'):
            raise ValueError('the config is not that of a segmentation model (it has no '
                             'decode_head); for a classifier use tools/infer_cams.py')
        check_score_maps(self.model.decode_head)
        count = self.model.decode_head.num_classes
        names, colors = class_names(cfg, checkpoint)
        self.classes = tuple(classes or names or (f'class {i}' for i in range(1, count)))
        if len(self.classes) + 1 != count:
            raise ValueError(f'{len(self.classes)} foreground classes {list(self.classes)} for a '
                             f'model of {count} with the background; give classes=... in the '
                             'order of training')
        palette = palette or colors
        if palette is None or len(palette) != count:
            palette = voc_palette(count)
        self.palette = [[int(value) for value in color] for color in palette]
        self.max_side, self.tile, self.overlap = max_side, tile, overlap

    def settings(self) -> dict:
        """What the masks depend on."""
        weights = None if self.checkpoint is None else file_digest(self.checkpoint)
        return dict(checkpoint=weights, model=self.model_digest, classes=list(self.classes),
                    max_side=self.max_side, tile=self.tile, overlap=self.overlap)

    def __call__(self, image: ImageLike | Sequence[ImageLike]) -> np.ndarray | list[np.ndarray]:
        """
        Args:
            image: See :func:`~mmwsss.apis.read_image.read_image`; or a list of them.

        Returns:
            uint8 ``(H, W)``: 0 background, ``1..C``; a list of them for a list.

        Raises:
            FileNotFoundError, ValueError: The image cannot be read, or is none.
        """
        if isinstance(image, (list, tuple)):
            return [self(one) for one in image]
        image = read_image(image)
        height, width = image.shape[:2]
        ratio = (self.max_side or math.inf) / max(height, width)
        if ratio >= 1:
            return self._mask(image)
        size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        mask = self._mask(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)

    @torch.no_grad()
    def _mask(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        tall, wide = min(self.tile, height), min(self.tile, width)
        tops = tile_starts(height, self.tile, self.overlap)
        lefts = tile_starts(width, self.tile, self.overlap)
        mask = np.empty((height, width), np.uint8)
        # Sums of the logits in the rows from `top` on. The sum's argmax is the mean's,
        # since all classes of a pixel have the same count.
        band = torch.zeros((len(self.palette), tall, width),
                           device=next(self.model.parameters()).device)
        for top, following in zip(tops, [*tops[1:], height]):
            for left in lefts:
                tile = image[top:top + tall, left:left + wide]
                band[:, :, left:left + wide] += self._logits(tile)
            ready = following - top
            mask[top:following] = band[:, :ready].argmax(0).to(torch.uint8).cpu().numpy()
            rest = band[:, ready:].clone()
            band.zero_()[:, :tall - ready] = rest
        return mask

    def _logits(self, image: np.ndarray) -> Tensor:
        """Logits ``(K, h, w)`` of one tile."""
        size = image.shape[:2]
        sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size))
        inputs = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        inputs = self.model.data_preprocessor(
            dict(inputs=[inputs], data_samples=[sample]), False)['inputs']
        meta = dict(ori_shape=size, img_shape=tuple(inputs.shape[2:]))
        logits = self.model.inference(inputs, [meta])[0, :, :size[0], :size[1]].float()
        if getattr(self.model, 'crf', None) is None:
            return logits
        prob = self.model.crf(np.ascontiguousarray(image[..., ::-1]),
                              logits.softmax(0).cpu().numpy())
        return torch.as_tensor(prob).to(logits).clamp_min(1e-12).log()


def class_names(cfg: Config, checkpoint: str | Path | None = None
                ) -> tuple[list | None, list | None]:
    """Foreground names and the palette (with the background), by the checkpoint or else by the
    data set of the config; None where neither knows."""
    meta: dict = {}
    if checkpoint is not None:
        content = load_checkpoint_safely(checkpoint)
        meta = (content.get('meta') or {}).get('dataset_meta') or {}
    if not meta.get('classes'):
        return config_classes(cfg)
    classes = list(meta.get('classes') or ()) or None
    if classes and classes[0] == 'background':
        classes = classes[1:]
    return classes, meta.get('palette')


# -- folders ---------------------------------------------------------------------------------------
def segment_folder(infer: SegmentationInferencer,
                   images: dict[str, Path],
                   out: str | Path,
                   formats: Sequence[str] = (),
                   overlays: int | None = 1600,
                   min_area: int = 0,
                   overwrite: bool = False) -> dict[str, str]:
    """Write the masks of images and what other tools take of them.

    ``masks/<name>.png`` (palette PNG; names of the classes inside and beside),
    ``overlays/<name>.jpg``, ``areas.csv`` (pixels of each class) and, by ``formats``:
    ``coco.json``, ``yolo/``, ``cvat/`` ("Segmentation mask 1.1"), ``labelme/``. Masks that are
    there are kept, and must be of the same model and options.

    Args:
        infer: The model.
        images: Name to file, see :func:`~mmwsss.utils.images.list_images`.
        out: Folder.
        formats: Of :data:`EXPORTS`.
        overlays: Long side of the overlays; None writes none.
        min_area: Pixels that a part needs to become a polygon (YOLO, LabelMe).
        overwrite: Make masks again that are there.

    Returns:
        Name to message of the images that could not be read; the others are done all the same.

    Raises:
        ValueError: An unknown format, or the folder has masks of another model.
        ImportError: ``coco`` without pycocotools.
    """
    unknown = sorted(set(formats) - set(EXPORTS))
    if unknown:
        raise ValueError(f'no export {unknown}; there are {list(EXPORTS)}')
    if 'coco' in formats:
        exports.coco_masks()
    out = Path(out)
    names = ('background', *infer.classes)
    check_settings(out / 'masks', infer.settings(), 'masks', overwrite)
    write_class_names(out / 'masks', names, infer.palette)
    failed: dict[str, str] = {}
    for name, path in track(list(images.items()), 'images'):
        target = out / 'masks' / f'{name}.png'
        if target.is_file() and not overwrite:
            continue
        try:
            image = read_image(path)
        except (OSError, ValueError) as error:
            failed[name] = str(error)
            continue
        mask = infer(image)
        write_mask(target, mask, infer.palette, names)
        if overlays:
            _write_overlay(out / 'overlays' / f'{name}.jpg', image, mask, infer.palette, overlays)
    done = {name: path for name, path in images.items() if name not in failed}
    _write_exports(out, done, infer, formats, min_area)
    return failed


def _write_overlay(path: Path, image: np.ndarray, mask: np.ndarray, palette: list,
                   side: int) -> None:
    ratio = min(side / max(mask.shape), 1)
    size = tuple(max(round(length * ratio), 1) for length in mask.shape[::-1])
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    shown = overlay_mask(np.ascontiguousarray(image[..., ::-1]), mask, palette)
    write_image(path, shown)


def _write_exports(out: Path, images: dict[str, Path], infer: SegmentationInferencer,
                   formats: Sequence[str], min_area: int) -> None:
    classes = infer.classes

    def masks() -> Iterator[tuple[str, Path, np.ndarray]]:
        for name, path in images.items():
            yield name, path, read_mask(out / 'masks' / f'{name}.png')

    with atomic_write(out / 'areas.csv') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['image', 'width', 'height', 'background', *classes])
        for name, _, mask in masks():
            areas = exports.class_areas(mask, classes)
            table.writerow([name, mask.shape[1], mask.shape[0], *areas.values()])
    if 'coco' in formats:
        data = exports.coco_dataset(
            ((f'{name}{path.suffix}', mask) for name, path, mask in masks()), classes)
        with atomic_write(out / 'coco.json') as file:
            json.dump(data, file)
    if 'cvat' in formats:
        cvat = out / 'cvat'
        with atomic_write(cvat / 'labelmap.txt') as file:
            file.write(exports.cvat_label_map(classes, infer.palette))
        with atomic_write(cvat / 'ImageSets' / 'Segmentation' / 'default.txt') as file:
            file.writelines(f'{name}\n' for name in images)
    if 'yolo' in formats:
        with atomic_write(out / 'yolo' / 'data.yaml') as file:
            file.write(f'names: {json.dumps(list(classes))}\n')  # JSON is YAML
    for name, path, mask in masks() if set(formats) - {'coco'} else ():
        if 'cvat' in formats:
            write_mask(cvat / 'SegmentationClass' / f'{name}.png', mask, infer.palette)
        if 'yolo' in formats:
            with atomic_write(out / 'yolo' / 'labels' / f'{name}.txt') as file:
                file.writelines(
                    f'{line}\n' for line in exports.yolo_lines(mask, classes, min_area=min_area))
        if 'labelme' in formats:
            target = out / 'labelme' / f'{name}.json'
            record = exports.labelme_record(
                mask, classes, os.path.relpath(path, target.parent), min_area=min_area)
            with atomic_write(target) as file:
                json.dump(record, file)
