"""Transforms that change colours and move nothing."""

from collections.abc import Callable, Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS

Range = float | Sequence[float]


def _inside_padding(results: dict, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A copy of ``img`` with its image changed and its padding left as it is."""
    image = results['img'].copy()
    top, left, height, width = results.get('valid_box', (0, 0, *image.shape[:2]))
    box = slice(top, top + height), slice(left, left + width)
    image[box] = change(np.ascontiguousarray(image[box]))
    return image


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Only ``img`` is changed, not other views.

    Args:
        brightness: Factor drawn from ``[max(0, 1 - b), 1 + b]``, or from a range ``(low, high)``.
        contrast: Likewise.
        saturation: Likewise.
        hue: Shift drawn from ``[-h, h]``, as a part of the colour circle; or a range.
        prob: How often (AEFT: .8).
    """

    def __init__(self,
                 brightness: Range = 0.,
                 contrast: Range = 0.,
                 saturation: Range = 0.,
                 hue: Range = 0.,
                 prob: float = 1.):
        self.ranges = [
            (max(1. - value, 0.), 1. + value) if np.isscalar(value) else tuple(value)
            for value in (brightness, contrast, saturation)
        ]
        self.ranges.append((-hue, hue) if np.isscalar(hue) else tuple(hue))
        if not -0.5 <= self.ranges[3][0] <= self.ranges[3][1] <= 0.5:
            raise ValueError(f'ColorJitter: hue={hue} must be within [-0.5, 0.5]')
        self.prob = prob

    def jitter(self, image: np.ndarray) -> np.ndarray:
        """uint8 BGR ``(H, W, 3)`` to the same."""
        change = (mmcv.adjust_brightness, mmcv.adjust_contrast, mmcv.adjust_color, mmcv.adjust_hue)
        for which in np.random.permutation(4):
            amount = np.random.uniform(*self.ranges[which])
            if set(self.ranges[which]) != {(1., 1., 1., 0.)[which]}:  # else it changes nothing
                image = change[which](image, amount)
        return image

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            results['img'] = _inside_padding(results, self.jitter)
        return results


def _identity(image: np.ndarray, _: float) -> np.ndarray:
    return image


def _auto_contrast(image: np.ndarray, _: float) -> np.ndarray:
    return mmcv.auto_contrast(image)


def _equalize(image: np.ndarray, _: float) -> np.ndarray:
    return mmcv.imequalize(image)


def _posterize(image: np.ndarray, bits: float) -> np.ndarray:
    return mmcv.posterize(image, int(bits))


# The operations of RandAugment that move nothing: name -> (function, range of the magnitude).
COLOUR_OPS: dict[str, tuple] = dict(
    AutoContrast=(_auto_contrast, (0., 1.)),
    Brightness=(mmcv.adjust_brightness, (0.05, 0.95)),
    Color=(mmcv.adjust_color, (0.05, 0.95)),
    Contrast=(mmcv.adjust_contrast, (0.05, 0.95)),
    Equalize=(_equalize, (0., 1.)),
    Identity=(_identity, (0., 1.)),
    Posterize=(_posterize, (4., 9.)),  # the integers 4 to 8
    Sharpness=(mmcv.adjust_sharpness, (0.05, 0.95)),
    Solarize=(mmcv.solarize, (0., 256.)),
)


@TRANSFORMS.register_module()
class StrongView(BaseTransform):
    """Add a strongly changed view of the image, of the same geometry (FSAE).

    A fresh colour jitter, blur, then operations of RandAugment drawn from the nine that move
    nothing. Put it after all geometry. Padding is left as it is.

    Args:
        jitter: Arguments of :class:`ColorJitter`; None for none. FSAE's prototype draws a jitter of
            its own for the strong view, so put the weak view's before or after this transform.
        blur: Range of the blur's sigma; its kernel is drawn from 1, 3 and 5 for each image. None
            for no blur.
        num_ops: Number of operations; 3 as in the paper and in its best row, 5 in the prototype's
            scripts.
        replacement: An operation may be drawn twice, as in the prototype.
        name: Of the view.
    """

    def __init__(self,
                 jitter: dict | None = None,
                 blur: Sequence[float] | None = (0.1, 2.0),
                 num_ops: int = 3,
                 replacement: bool = True,
                 name: str = 'strong'):
        self.jitter: Callable | None = jitter and ColorJitter(**jitter)
        self.blur = blur
        if not replacement and num_ops > len(COLOUR_OPS):
            raise ValueError(f'StrongView: num_ops={num_ops} without replacement, there are '
                             f'{len(COLOUR_OPS)} operations')
        self.num_ops = num_ops
        self.replacement = replacement
        self.name = name

    def augment(self, image: np.ndarray) -> np.ndarray:
        """uint8 BGR ``(H, W, 3)`` to the same."""
        if self.jitter is not None:
            image = self.jitter.transform(dict(img=image))['img']
        if self.blur is not None:
            kernel = int(np.random.choice((1, 3, 5)))
            image = cv2.GaussianBlur(image, (kernel, kernel), np.random.uniform(*self.blur))
        for name in np.random.choice(list(COLOUR_OPS), self.num_ops, self.replacement):
            change, (low, high) = COLOUR_OPS[name]
            image = change(image, np.random.uniform(low, high))
        return image

    def transform(self, results: dict) -> dict:
        results.setdefault('views', {})[self.name] = _inside_padding(results, self.augment)
        return results
