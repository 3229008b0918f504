"""Transforms that move pixels: the image, its views and all of its maps alike."""

import math
from collections.abc import Callable, Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS

# Maps that follow the image, by nearest neighbour, and what they are padded with.
MAP_FILL: dict[str, int] = dict(gt_seg_map=255, prior_mask=255, saliency=0)


def check_not_padded(results: dict, transform: BaseTransform) -> None:
    """Raises:
        ValueError: The image has padding, whose place this transform would lose.
    """
    if 'valid_box' in results:
        raise ValueError(f'{type(transform).__name__} must come before RandomPadCrop in the '
                         'pipeline, which pads the image')


def apply_geometry(results: dict, on_image: Callable, on_map: Callable) -> dict:
    """Move image and views by ``on_image(array)``, the maps by ``on_map(array, fill)``."""
    results['img'] = on_image(results['img'])
    if 'views' in results:
        results['views'] = {name: on_image(view) for name, view in results['views'].items()}
    for key, fill in MAP_FILL.items():
        if key in results:
            results[key] = on_map(results[key], fill)
    results['img_shape'] = results['img'].shape[:2]
    return results


class _Resize(BaseTransform):
    """Resizes the image as Pillow does, and the maps by nearest neighbour.

    Args:
        interpolation: Of the image, as in :func:`mmcv.imresize`.
        backend: ``'pillow'``, which the originals use and which filters an image that it makes
            smaller, or ``'cv2'``, which is faster and does not.
    """

    def __init__(self, interpolation: str = 'bicubic', backend: str = 'pillow'):
        if backend not in ('pillow', 'cv2'):
            raise ValueError(
                f"{type(self).__name__}: backend={backend!r} must be 'pillow' or 'cv2'")
        self.interpolation = interpolation
        self.backend = backend

    def resize(self, results: dict, height: int, width: int) -> dict:
        check_not_padded(results, self)
        size = (width, height)
        return apply_geometry(
            results, lambda image: mmcv.imresize(
                image, size, interpolation=self.interpolation, backend=self.backend),
            lambda array, _: cv2.resize(array, size, interpolation=cv2.INTER_NEAREST_EXACT))

    def rescale(self, results: dict, ratio: float) -> dict:
        height, width = results['img'].shape[:2]
        return self.resize(results, max(round(height * ratio), 1), max(round(width * ratio), 1))


@TRANSFORMS.register_module()
class ResizeLong(_Resize):
    """Resize so that the long side is drawn uniformly from the integers of a range.

    Args:
        long: ``(low, high)``, both included, or one length.
        interpolation: Of the image, as in :func:`mmcv.imresize`.
        backend: ``'pillow'``, which the originals use and which filters an image that it makes
            smaller, or ``'cv2'``, which is faster and does not.
    """

    def __init__(self, long: int | Sequence[int] = (256, 512), **kwargs):
        super().__init__(**kwargs)
        self.long = (long, long) if isinstance(long, int) else tuple(long)

    def transform(self, results: dict) -> dict:
        long = np.random.randint(self.long[0], self.long[1] + 1)
        return self.rescale(results, long / max(results['img'].shape[:2]))


@TRANSFORMS.register_module()
class ResizeShort(_Resize):
    """Resize so that the short side has a length (CSD: 256); see :class:`ResizeLong`."""

    def __init__(self, short: int = 256, **kwargs):
        super().__init__(**kwargs)
        self.short = short

    def transform(self, results: dict) -> dict:
        return self.rescale(results, self.short / min(results['img'].shape[:2]))


@TRANSFORMS.register_module()
class RandomScale(_Resize):
    """Resize by a factor drawn uniformly from a range (RCM: 0.5 to 1.3); see :class:`ResizeLong`.
    """

    def __init__(self, ratio: Sequence[float] = (0.5, 1.3), **kwargs):
        super().__init__(**kwargs)
        self.ratio = tuple(ratio)

    def transform(self, results: dict) -> dict:
        return self.rescale(results, np.random.uniform(*self.ratio))


@TRANSFORMS.register_module()
class RandomResizedCrop(_Resize):
    """Cut a window of random area and shape, and resize it (as torchvision's; EADER, MCTformer).

    Args:
        size: Side of the result.
        scale: Range of the window's part of the image's area.
        ratio: Range of its width over height, drawn uniformly in the logarithm.
        interpolation, backend: See :class:`ResizeLong`.
    """

    def __init__(self,
                 size: int,
                 scale: Sequence[float] = (0.08, 1.),
                 ratio: Sequence[float] = (3 / 4, 4 / 3),
                 interpolation: str = 'bilinear',
                 **kwargs):
        super().__init__(interpolation, **kwargs)
        self.size = size
        self.scale = tuple(scale)
        self.ratio = tuple(ratio)

    def window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """``top, left, height, width``."""
        for _ in range(10):
            area = height * width * np.random.uniform(*self.scale)
            aspect = math.exp(np.random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return (np.random.randint(height - h + 1), np.random.randint(width - w + 1), h, w)
        # The image is too long for the ratios: the largest window in the middle.
        w = min(width, round(height * self.ratio[1]))
        h = min(height, round(width / self.ratio[0]))
        return (height - h) // 2, (width - w) // 2, h, w

    def transform(self, results: dict) -> dict:
        top, left, height, width = self.window(*results['img'].shape[:2])

        def cut(array: np.ndarray, _=None) -> np.ndarray:
            return array[top:top + height, left:left + width]

        apply_geometry(results, cut, cut)
        return self.resize(results, self.size, self.size)


@TRANSFORMS.register_module()
class RandomPadCrop(BaseTransform):
    """Cut a random window; along a side where the image is smaller, put it at a random place.

    Where the crop shows no image, ``valid_box`` says so (the data preprocessor makes it 0 after
    normalisation); maps get their ignored value there.

    Args:
        size: Side of the crop, or ``(height, width)``.
    """

    def __init__(self, size: int | Sequence[int]):
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def transform(self, results: dict) -> dict:
        check_not_padded(results, self)
        sources, targets = [], []
        for axis, want in enumerate(self.size):
            have = results['img'].shape[axis]
            length = min(have, want)
            sources.append(slice(start := np.random.randint(have - length + 1), start + length))
            targets.append(slice(start := np.random.randint(want - length + 1), start + length))
        sources, targets = tuple(sources), tuple(targets)

        def crop(array: np.ndarray, fill: int = 0) -> np.ndarray:
            out = np.full(self.size + array.shape[2:], fill, array.dtype)
            out[targets] = array[sources]
            return out

        apply_geometry(results, crop, crop)
        box = tuple(s.start for s in targets) + tuple(s.stop - s.start for s in targets)
        if box[2:] != self.size:
            results['valid_box'] = box
        return results


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror left and right.

    Args:
        prob: How often.
    """

    def __init__(self, prob: float = 0.5):
        self.prob = prob

    def transform(self, results: dict) -> dict:
        results['flip'] = bool(np.random.random() < self.prob)
        if results['flip']:

            def mirror(array: np.ndarray, _=None) -> np.ndarray:
                if array.dtype != np.uint8:  # scores in half precision, which OpenCV lacks
                    return np.ascontiguousarray(array[:, ::-1])
                return cv2.flip(array, 1).reshape(array.shape)  # tens of times as fast

            apply_geometry(results, mirror, mirror)
            if 'valid_box' in results:
                top, left, height, width = results['valid_box']
                left = results['img'].shape[1] - left - width
                results['valid_box'] = (top, left, height, width)
        return results
