"""Images lie upright everywhere: as decoded, and by the size in the head of the file."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mmwsss.datasets.pseudo_mask_dataset import PseudoMaskDataset
from mmwsss.datasets.transforms import LoadImage, LoadMask
from mmwsss.utils.images import image_size


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['jpg', 'png', 'webp', 'tif'])
def test_the_size_is_that_of_the_decoded_image(tmp_path, orientation, ending):
    path = str(tmp_path / f'a.{ending}')
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16] = 255  # bright in the corner that the file begins with
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(path, exif=exif, **({'quality': 95} if ending == 'jpg' else {}))
    loaded = LoadImage()(dict(img_path=path))
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
    assert image_size(path) == loaded['img_shape'] == upright.shape[:2]
    assert image_size(path) == ((16, 32) if orientation < 5 else (32, 16))
    assert ((loaded['img'] > 127) == (upright > 127)).mean() > 0.95
    assert LoadMask('saliency').read(path).shape == image_size(path)


def test_masks_are_of_the_size_of_the_upright_image(tmp_path):
    for folder in ('JPEGImages', 'masks'):
        (tmp_path / folder).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (32, 16)).save(tmp_path / 'JPEGImages/a.jpg', exif=exif)
    cv2.imwrite(str(tmp_path / 'masks/a.png'), np.ones((32, 16), np.uint8))
    options = dict(data_root=str(tmp_path), mask_dir='masks', metainfo=dict(classes=('a', )),
                   pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask')])
    assert PseudoMaskDataset(**options)[0]['gt_seg_map'].shape == (32, 16)
    cv2.imwrite(str(tmp_path / 'masks/a.png'), np.ones((16, 32), np.uint8))
    with pytest.raises(ValueError, match='masks have the size of the original image'):
        PseudoMaskDataset(**options)


def test_what_is_no_image(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    with pytest.raises(ValueError, match='a.jpg'):
        image_size(tmp_path / 'a.jpg')
    with pytest.raises(FileNotFoundError, match='b.jpg'):
        image_size(tmp_path / 'b.jpg')
