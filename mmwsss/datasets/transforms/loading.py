"""From files to arrays, with an error that names the file."""

import io

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image

from mmwsss.registry import TRANSFORMS
from mmwsss.structures.artifacts import read_mask


def _read(path: str, what: str) -> bytes:
    try:
        data = fileio.get(path)
    except FileNotFoundError:
        raise FileNotFoundError(f'no {what} "{path}"; check the path (of a data set: data_root and '
                                'its folders)') from None
    if not data:
        raise ValueError(f'{what} "{path}" is an empty file; restore it or take it off the list')
    return data


def is_whole(data: bytes) -> bool:
    """Whether the file ends as its format does; OpenCV fills a truncated image with grey."""
    if data[:2] == b'\xff\xd8':
        return data.endswith(b'\xff\xd9')
    if data[:4] == b'\x89PNG':
        return data.endswith(b'IEND\xaeB`\x82')
    return True


def _decode(data: bytes, path: str, what: str, flag: str) -> np.ndarray:
    """The upright image (EXIF orientation applied)."""
    try:
        if not is_whole(data):  # or only followed by something: let PIL decide
            Image.open(io.BytesIO(data)).load()
        image = mmcv.imfrombytes(data, flag=flag)
        if image is None:
            raise ValueError('not an image')
        return image
    except Exception as error:
        reason = ' '.join(str(error).split())
        if 'CV_IO_MAX_IMAGE_PIXELS' in reason:
            raise ValueError(f'{what} "{path}" has more pixels than are admitted; cut it up, or '
                             'raise OPENCV_IO_MAX_IMAGE_PIXELS in the environment') from None
        raise ValueError(f'{what} "{path}" is truncated or cannot be decoded ({reason}); restore '
                         'it or take it off the list') from None


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read the image at ``img_path``, upright: turned as its EXIF orientation says.

    So do mmseg's ``LoadImageFromFile``, viewers and tools for annotation; masks, saliency maps and
    CAMs have the size of the upright image (:func:`mmwsss.utils.images.image_size`).

    Adds ``img`` (uint8 BGR ``(H, W, 3)``), ``ori_shape`` and ``img_shape``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is truncated, no image, or has more pixels than OpenCV admits.
    """

    def transform(self, results: dict) -> dict:
        path = results['img_path']
        results['img'] = _decode(_read(path, 'image'), path, 'image', 'color')
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Read a map of the image's size: a mask, a prior mask, or a saliency map. After
    :class:`LoadImage`.

    Args:
        key: ``gt_seg_map`` (ids of the file become those of the chosen classes, all others 255),
            ``prior_mask`` (ids ``1..C``), or ``saliency`` (0 to 255).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be decoded, is not of the image's size, or has an id out of range.
    """

    PATHS = dict(gt_seg_map='seg_map_path', prior_mask='prior_path', saliency='saliency_path')

    def __init__(self, key: str = 'gt_seg_map'):
        if key not in self.PATHS:
            raise ValueError(f'LoadMask: key="{key}" must be one of {list(self.PATHS)}')
        self.key = key
        self.path_field = self.PATHS[key]

    def transform(self, results: dict) -> dict:
        path = results[self.path_field]
        mask = self.read(path)
        if mask.shape != results['img'].shape[:2]:
            raise ValueError(
                f'"{path}" has height and width {mask.shape}, but its image '
                f'"{results["img_path"]}" {results["img"].shape[:2]}; make them one size')
        if self.key != 'saliency':
            ids = results['mask_ids']
            mask = (ids if self.key == 'gt_seg_map' else ids.of_chosen).decode(mask, path)
        results[self.key] = mask
        return results

    def read(self, path: str) -> np.ndarray:
        """uint8 ``(H, W)``."""
        if self.key != 'saliency':
            return read_mask(path)
        return _decode(_read(path, 'saliency map'), path, 'saliency map', 'grayscale')
