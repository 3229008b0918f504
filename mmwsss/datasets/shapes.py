"""Shapes: drawn images with ground truth that show the field's three problems in minutes."""

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmwsss.registry import DATASETS
from mmwsss.structures.artifacts import read_record, write_mask, write_record
from mmwsss.utils.io import atomic_write
from mmwsss.utils.palette import voc_palette

from .image_labels import ImageLabelDataset

VERSION = 2  # rises with every change of the drawings
CLASSES = ('stripes', 'dots', 'checks', 'rings', 'waves', 'crosses')
# Which classes mostly come together; the body and the usual background of each.
PARTNER = {0: 1, 1: 0, 2: 3, 3: 2}
BODY = (0, 1, 0, 1, 0, 1)
SCENE = (0, 0, 1, 1, 2, 2)


class _Body(NamedTuple):
    hue: int  # of OpenCV, 0..179
    saturation: int
    value: int
    power: float  # of the superellipse: 2 is round, more is boxy
    aspect: float


BODIES = (_Body(14, 110, 150, 2.2, 1.7), _Body(100, 45, 165, 4.0, 1.25))


def _noise(rng: np.random.Generator, size: int, cell: int) -> np.ndarray:
    """Smooth noise ``(size, size)`` with structures of about ``cell`` pixels, mean 0 and std 1."""
    count = max(size // cell, 1) + 3
    coarse = rng.standard_normal((count, count)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """One BGR colour, float32 in 0..255."""
    pixel = np.array([[[hue % 180, np.clip(saturation, 0, 255), np.clip(value, 0, 255)]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)


class _Painter:
    """Draws one image. ``image`` is BGR float32 ``(S, S, 3)``, ``mask`` uint8 ``(S, S)``."""

    def __init__(self, rng: np.random.Generator, size: int, difficulty: float):
        self.rng = rng
        self.size = size
        self.difficulty = difficulty
        self.ys, self.xs = np.mgrid[:size, :size].astype(np.float32)
        self.mask = np.zeros((size, size), np.uint8)
        self.image = np.empty((size, size, 3), np.float32)

    def background(self, scene: int) -> None:
        """Meadow, water, or wall."""
        rng, size = self.rng, self.size
        light = 1 + 0.25 * (self.ys / size - 0.5) * rng.uniform(-1, 1)
        if scene == 0:
            color = _hsv(rng.uniform(40, 60), rng.uniform(90, 150), rng.uniform(90, 140))
            texture = 0.14 * _noise(rng, size, 3) + 0.12 * _noise(rng, size, size // 4)
        elif scene == 1:
            color = _hsv(rng.uniform(100, 118), rng.uniform(110, 180), rng.uniform(110, 170))
            waves = np.sin(self.ys * rng.uniform(0.35, 0.6) + 1.5 * _noise(rng, size, size // 5))
            texture = 0.1 * waves + 0.08 * _noise(rng, size, size // 3)
        else:
            color = _hsv(rng.uniform(2, 16), rng.uniform(60, 120), rng.uniform(130, 180))
            height = rng.integers(8, 13)
            row = (self.ys // height).astype(int)
            across = (self.xs + row % 2 * height) % (2 * height)
            mortar = (self.ys % height < 1.5) | (across < 1.5)
            texture = 0.25 * mortar + 0.06 * _noise(rng, size, 3)
        self.image[:] = color * ((1 + texture) * light)[..., None]

    def clutter(self) -> None:
        """Things of no class: triangles, sticks and discs of any colour."""
        rng, size = self.rng, self.size
        for _ in range(rng.poisson(1 + 3 * self.difficulty)):
            color = _hsv(rng.uniform(0, 180), rng.uniform(60, 220), rng.uniform(60, 220))
            center = rng.uniform(0, size, 2)
            if rng.random() < 0.4:
                tip = center + rng.uniform(-0.3, 0.3, 2) * size
                shape = ([center, tip], )
                layer = np.zeros((size, size), np.uint8)
                cv2.line(layer, *(tuple(int(v) for v in p) for p in shape[0]), 1,
                         int(rng.integers(1, 4)))
            else:
                corners = int(rng.choice([3, 12]))
                angles = rng.uniform(0, 2 * np.pi) + np.arange(corners) * 2 * np.pi / corners
                radius = size * rng.uniform(0.03, 0.08)
                points = center + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
                layer = np.zeros((size, size), np.uint8)
                cv2.fillPoly(layer, [points.round().astype(np.int32)], 1)
            self.image[layer > 0] = color

    def texture(self, label: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The mark of a class on coordinates in [-1, 1], in [0, 1]."""
        if label == 0:  # stripes
            return (np.sin(u * 11) > 0).astype(np.float32)
        if label == 1:  # dots
            return ((np.sin(u * 9) * np.sin(v * 9)) > 0.25).astype(np.float32)
        if label == 2:  # checks
            return ((np.sin(u * 7) * np.sin(v * 7)) > 0).astype(np.float32)
        radius = np.hypot(u, v)
        if label == 3:  # rings
            return (np.sin(radius * 13) > 0).astype(np.float32)
        if label == 4:  # waves
            return (np.sin(v * 10 + 2 * np.sin(u * 6)) > 0).astype(np.float32)
        return ((np.abs(u) < 0.28) | (np.abs(v) < 0.28)).astype(np.float32)  # crosses

    def thing(self, label: int, center: np.ndarray, scale: float) -> None:
        """A large plain body, whose look is shared, and a small head with the class's texture."""
        rng, size = self.rng, self.size
        body = BODIES[BODY[label]]
        half = scale * size
        aspect = body.aspect * rng.uniform(0.85, 1.15)
        a, b = half * np.sqrt(aspect), half / np.sqrt(aspect)
        angle = rng.uniform(-0.5, 0.5)
        side = rng.choice([-1, 1])
        cos, sin = np.cos(angle), np.sin(angle)
        dx, dy = self.xs - center[0], self.ys - center[1]
        u, v = (dx * cos + dy * sin) / a, (dy * cos - dx * sin) / b
        inside = np.abs(u)**body.power + np.abs(v)**body.power < 1
        # Legs below the body: plain, thin, part of the thing.
        for place in rng.uniform(0.35, 0.75, 2) * (-1, 1):
            inside |= (np.abs(u - place) < 0.11) & (v > 0) & (v < rng.uniform(1.25, 1.5))
        color = _hsv(body.hue + rng.normal(0, 5), body.saturation + rng.normal(0, 15),
                     body.value + rng.normal(0, 22))
        shade = 1 - 0.22 * v + 0.05 * _noise(rng, size, size // 8)
        self.image[inside] = (color * shade[..., None])[inside]

        radius = half * (0.65 - 0.2 * self.difficulty) * rng.uniform(0.9, 1.1)
        hx = center[0] + side * a * 0.88 * cos
        hy = center[1] + side * a * 0.88 * sin - 0.35 * b
        turn = angle + rng.uniform(-0.4, 0.4)
        cos, sin = np.cos(turn), np.sin(turn)
        dx, dy = self.xs - hx, self.ys - hy
        u, v = (dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius
        head = u**2 + v**2 < 1
        mark = cv2.GaussianBlur(self.texture(label, u, v), (3, 3), 0)[..., None]
        # Dark against a light colour that goes with the class, the less so the harder the data.
        hue = 30 * label + 15 + rng.normal(0, 4 + 26 * self.difficulty)
        dark = _hsv(rng.uniform(0, 180), rng.uniform(60, 200), rng.uniform(20, 60))
        light = _hsv(hue, rng.uniform(90, 190), rng.uniform(210, 255))
        self.image[head] = (mark * dark + (1 - mark) * light)[head]
        self.mask[inside | head] = label + 1

    def finish(self) -> np.ndarray:
        """uint8 image with a colour cast and the noise of a camera."""
        rng = self.rng
        cast = rng.uniform(0.88, 1.12, 3).astype(np.float32)
        noise = rng.standard_normal(self.image.shape).astype(np.float32)
        self.image = self.image * cast + noise * (3 + 5 * self.difficulty)
        return self.image.clip(0, 255).astype(np.uint8)


def draw_shapes(seed: int,
                split: str,
                index: int,
                image_size: int = 112,
                difficulty: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image, a function of its arguments alone.

    Args:
        seed: Seed of the data set.
        split: Its part, e.g. ``train``; parts share nothing.
        index: Number of the image.
        image_size: Side in pixels.
        difficulty: In [0, 1]: how small the marks are and how little their colours say, how firmly
            scenes and partners go with classes, how much clutter and noise there is.

    Returns:
        Image ``(S, S, 3)`` uint8 BGR and mask ``(S, S)`` uint8, 0 background, ``1..6`` classes.
    """
    rng = np.random.default_rng([seed, index, *split.encode()])
    painter = _Painter(rng, image_size, difficulty)
    while True:
        painter.mask[:] = 0
        first = int(rng.integers(len(CLASSES)))
        labels = [first]
        if first in PARTNER and rng.random() < 0.35 + 0.3 * difficulty:
            labels.append(PARTNER[first])
        elif rng.random() < 0.2:
            labels.append(int(rng.integers(len(CLASSES))))
        # Body and scene together would give a class away, so the scene may only hint at it.
        scene = SCENE[first] if rng.random() < 0.15 + 0.4 * difficulty else int(rng.integers(3))
        painter.background(scene)
        painter.clutter()
        alone = len(labels) == 1
        first_side = int(rng.integers(2))
        areas: dict[int, int] = {}
        for place, label in enumerate(labels):
            scale = rng.uniform(0.17, 0.27) if alone else rng.uniform(0.13, 0.19)
            center = rng.uniform(0.3, 0.7, 2) * image_size
            if not alone:  # one left, one right
                center[0] = image_size * (rng.uniform(0.22, 0.34) + 0.44 * (place ^ first_side))
            painter.thing(label, center, scale)
        for label in labels:
            areas[label] = int((painter.mask == label + 1).sum())
        # A class that another has all but hidden would be a wrong label: draw again.
        if min(areas.values()) >= 0.015 * image_size**2:
            return painter.finish(), painter.mask


def _write_split(root: Path, split: str, num_images: int, drawing: dict) -> None:
    """Draw one part into ``root`` unless it is there; see :meth:`ShapesDataset.export`."""
    stamp = root / f'shapes_{split}.json'
    have = read_record(stamp, None)
    if have and have.get('version') != VERSION:
        have = None  # drawn by an earlier mmwsss: draw it again
    if have and {**have['drawing'], **drawing} != have['drawing']:
        raise ValueError(
            f'"{root}" holds Shapes drawn with {have["drawing"]}, asked for are {drawing}; use '
            'another data_root, or delete the folder')
    if have is None or have['num_images'] != num_images:
        labels = {}
        for index in range(num_images):
            name = f'{split}_{index:05d}'
            image, mask = draw_shapes(drawing['seed'], split, index, drawing['image_size'],
                                      drawing['difficulty'])
            with atomic_write(root / 'JPEGImages' / f'{name}.jpg', 'wb', flush=False) as file:
                file.write(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
            write_mask(root / 'SegmentationClassAug' / f'{name}.png', mask)
            labels[name] = [CLASSES[i - 1] for i in np.unique(mask) if i]
        with atomic_write(root / 'ImageSets' / 'Segmentation' / f'{split}.txt') as file:
            file.write('\n'.join(labels) + '\n')
        os.sync()  # the drawings, all at once
        # Last: it says that the part is whole.
        write_record(stamp, dict(version=VERSION, drawing=drawing, num_images=num_images,
                                 labels=labels))
    labels = {}
    for part in sorted(root.glob('shapes_*.json')):
        labels.update(read_record(part)['labels'])
    table = root / 'labels.json'
    if read_record(table, None) != labels:
        write_record(table, labels)


@DATASETS.register_module()
class ShapesDataset(ImageLabelDataset):
    """Images drawn from a seed, with image labels and ground truth.

    Built so that the field's problems appear: each thing has a small head whose texture is its
    class and a large plain body whose look three classes share (a CAM fires on the head only);
    classes have their usual backgrounds (a CAM runs over); stripes come with dots and checks with
    rings most of the time (a CAM mixes them up). For demonstrations and tests; figures on it are
    never put beside those of VOC or COCO.

    The images are drawn into ``data_root`` once, in VOC layout, and read from there.

    Args:
        data_root: Folder of the drawings.
        split: Name of the part (``train``, ``val``, ...); each has images of its own.
        num_images: How many; the first n are the same for every n.
        image_size: Side in pixels, at least 32.
        seed: Seed of the drawings, and of the augmentation.
        difficulty: In [0, 1], see :func:`draw_shapes`.
        kwargs: Further arguments of :class:`ImageLabelDataset`, such as ``pipeline``.

    Raises:
        ValueError: An argument is out of range, or ``data_root`` holds other drawings.
    """

    METAINFO = dict(classes=CLASSES, palette=voc_palette(len(CLASSES) + 1))

    def __init__(self,
                 data_root: str = 'data/shapes',
                 split: str = 'train',
                 num_images: int = 200,
                 image_size: int = 112,
                 seed: int = 0,
                 difficulty: float = 0.5,
                 **kwargs):
        self.export(data_root, {split: num_images}, image_size, seed, difficulty)
        for key, value in dict(
                ann_file=f'ImageSets/Segmentation/{split}.txt',
                label_file='labels.json',
                img_dir='JPEGImages',
                img_suffix='.jpg',
                seg_dir='SegmentationClassAug').items():
            kwargs.setdefault(key, value)
        super().__init__(data_root=data_root, seed=seed, **kwargs)

    @staticmethod
    def export(root: str | Path,
               splits: dict[str, int] | None = None,
               image_size: int = 112,
               seed: int = 0,
               difficulty: float = 0.5) -> None:
        """Write a data set in VOC layout, for any program that reads VOC (mmseg).

        ``JPEGImages/<name>.jpg``, ``SegmentationClassAug/<name>.png``,
        ``ImageSets/Segmentation/<split>.txt`` and ``labels.json``. What is there is kept.

        Args:
            root: Folder.
            splits: Number of images of each part; None is 400 for ``train`` and 100 for ``val``.
            image_size: Side in pixels.
            seed: Seed of the drawings.
            difficulty: In [0, 1].
        """
        if not 0 <= difficulty <= 1:
            raise ValueError(f'ShapesDataset: difficulty={difficulty} must be in [0, 1]')
        if image_size < 32:
            raise ValueError(f'ShapesDataset: image_size={image_size} must be at least 32')
        drawing = dict(seed=seed, image_size=image_size, difficulty=difficulty)
        for split, num_images in (splits or dict(train=400, val=100)).items():
            if num_images < 1:
                raise ValueError(f'ShapesDataset: num_images={num_images} must be at least 1')
            _write_split(Path(root), split, num_images, drawing)
