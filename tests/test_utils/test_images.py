"""Images lie upright everywhere: as decoded, and by the size in the head of the file."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mmwsss.datasets.pseudo_mask_dataset import PseudoMaskDataset
from mmwsss.datasets.transforms import LoadImage, LoadMask
from mmwsss.utils.images import image_size, only_file


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


def test_an_orientation_in_xmp_turns_nothing(tmp_path):
    """As OpenCV, which reads EXIF alone; Pillow's getexif() looks into XMP as well."""
    path = str(tmp_path / 'a.jpg')
    xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
           b'rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
           b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>')
    Image.new('RGB', (32, 16)).save(path, xmp=xmp)
    with Image.open(path) as image:
        assert image.getexif().get(0x0112) == 6  # or the test shows nothing
    assert image_size(path) == LoadImage()(dict(img_path=path))['img_shape'] == (16, 32)


def test_a_name_without_ending_means_one_file():
    there = {'x/a.png', 'x/b.jpg', 'x/b.png'}
    endings = ('.jpg', '.png')
    assert only_file('x/a', endings, there.__contains__) == 'x/a.png'
    assert only_file('x/c', endings, there.__contains__) == 'x/c.jpg'  # which is then missing
    assert only_file('x/b', ('.png', ), there.__contains__) == 'x/b.png'
    with pytest.raises(ValueError, match=r'"b" may be x/b\.jpg or x/b\.png; name the ending'):
        only_file('x/b', endings, there.__contains__)
