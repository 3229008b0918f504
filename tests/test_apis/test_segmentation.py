import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from PIL import Image

from mmwsss.apis import SegmentationInferencer
from mmwsss.apis.segmentation import segment_folder, tile_starts
from mmwsss.structures.artifacts import read_mask
from mmwsss.utils.images import list_images

CONFIG = Path(__file__).parents[2] / 'configs/deeplab/deeplabv2_small_shapes.py'
NAMES = ['red', 'green', 'blue', 'd', 'e', 'f']


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    import mmwsss.models  # noqa: F401
    torch.manual_seed(0)
    model = init_model(Config.fromfile(CONFIG), device='cpu')
    path = tmp_path_factory.mktemp('seg') / 'a.pth'
    meta = dict(dataset_meta=dict(classes=['background', *NAMES],
                                  palette=[[i, 2 * i, 3 * i] for i in range(7)]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (50, 72, 3), np.uint8)


class Colours(torch.nn.Module):
    """A segmentation model by the definition: class 1 to 3 where that channel leads."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def data_preprocessor(self, data, training):
        return dict(inputs=torch.stack(data['inputs']).float())

    def inference(self, x, metas):
        self.seen.append(tuple(x.shape[2:]))
        rest = x.new_zeros(1, 3, *x.shape[2:])
        return torch.cat([rest[:, :1] + 100, x.flip(1), rest], 1)


@pytest.fixture
def colours(checkpoint):
    infer = SegmentationInferencer(CONFIG, checkpoint, tile=20, overlap=6)
    infer.model = Colours()
    return infer


def test_images_as_users_have_them(colours, image, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    expected = colours(image)
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    for found in colours([image, tmp_path / 'a.png', rgb]):
        np.testing.assert_array_equal(found, expected)
    assert colours(image[..., 0]).shape == expected.shape
    with pytest.raises(ValueError, match='is a folder, not an image'):
        colours(tmp_path)
    for wrong in (None, image[:0], image / 255):
        with pytest.raises(ValueError, match='an image must be a file, a PIL image or'):
            colours(wrong)


@pytest.mark.parametrize(('length', 'tile', 'overlap'), [
    (10, 20, 5), (20, 20, 5), (21, 20, 5), (100, 20, 6), (101, 20, 0), (6000, 640, 160)])
def test_tiles_cover_and_overlap(length, tile, overlap):
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0 and starts[-1] + min(tile, length) == length
    assert all(b - a <= tile - overlap for a, b in zip(starts, starts[1:]))
    assert len(starts) == len(set(starts))


def test_whole_image_is_what_mmseg_says(checkpoint, image):
    infer = SegmentationInferencer(CONFIG, checkpoint)
    model = init_model(Config.fromfile(CONFIG), str(checkpoint), device='cpu')
    expected = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert (infer(image) == expected).all() and infer(image).dtype == np.uint8
    assert infer.classes == tuple(NAMES) and infer.palette[2] == [2, 4, 6]


def test_tiles_are_the_mean_of_their_logits(checkpoint, image):
    infer = SegmentationInferencer(CONFIG, checkpoint, tile=32, overlap=10)
    total, count = np.zeros((7, 50, 72)), np.zeros((50, 72))
    for top in (0, 18):
        for left in (0, 20, 40):
            logits = infer._logits(image[top:top + 32, left:left + 32]).detach().numpy()
            total[:, top:top + 32, left:left + 32] += logits
            count[top:top + 32, left:left + 32] += 1
    assert count.min() == 1
    assert ((total / count).argmax(0) == infer(image)).mean() > 0.999


def test_pixels_keep_their_place(colours, image):
    mask = colours(image)
    rgb = image[..., ::-1]
    expected = np.where(rgb.max(-1) > 100, rgb.argmax(-1) + 1, 0)
    assert (mask == expected).mean() > 0.999  # ties
    assert set(colours.model.seen) == {(20, 20)}


def test_max_side(colours):
    image = np.zeros((60, 90, 3), np.uint8)
    image[:, 45:, 2] = 255
    colours.max_side = 30
    mask = colours(image)
    assert mask.shape == (60, 90)
    assert (mask[:, :45] == 0).all() and (mask[:, 45:] == 1).all()
    assert max(max(size) for size in colours.model.seen) <= 20


def test_folder(colours, image, tmp_path):
    source = tmp_path / 'in'
    (source / 'sub').mkdir(parents=True)
    for name, mode in (('a.jpg', 'RGB'), ('grey.png', 'L'), ('sub/c.TIF', 'RGB'), ('d.png', 'RGBA'),
                       ('e.webp', 'RGB'), ('f.bmp', 'P')):
        Image.fromarray(image).convert(mode).save(source / name)
    deep = (np.arange(20 * 30).reshape(20, 30) * 100).astype(np.uint16)
    cv2.imwrite(str(source / 'deep.png'), deep)
    (source / 'broken.jpg').write_bytes(b'\xff\xd8nothing')
    images = list_images([source])
    assert set(images) == {'a', 'grey', 'sub/c', 'd', 'e', 'f', 'deep', 'broken'}
    out = tmp_path / 'out'
    failed = segment_folder(colours, images, out, ['coco', 'yolo', 'cvat', 'labelme'])
    assert list(failed) == ['broken'] and 'broken.jpg' in failed['broken']

    mask = read_mask(out / 'masks' / 'sub' / 'c.png')
    assert (mask == colours(source / 'sub' / 'c.TIF')).all()
    with Image.open(out / 'masks' / 'sub' / 'c.png') as png:
        assert json.loads(png.text['classes']) == ['background', *NAMES]
        assert png.getpalette()[3:6] == [1, 2, 3]
    assert (out / 'masks' / 'classes.txt').read_text().split() == ['background', *NAMES]
    assert json.loads((out / 'masks' / 'classes.json').read_text())[1] == dict(
        id=1, name='red', color=[1, 2, 3])
    rows = list(csv.DictReader((out / 'areas.csv').open()))
    row = next(row for row in rows if row['image'] == 'sub/c')
    assert int(row['green']) == (mask == 2).sum() and int(row['width']) == 72
    assert len(rows) == 7

    coco = json.loads((out / 'coco.json').read_text())
    assert {x['file_name'] for x in coco['images']} >= {'sub/c.TIF', 'a.jpg'}
    assert (out / 'yolo' / 'labels' / 'a.txt').read_text()
    assert (out / 'yolo' / 'data.yaml').read_text() == f'names: {json.dumps(NAMES)}\n'
    labelme = json.loads((out / 'labelme' / 'sub' / 'c.json').read_text())
    assert (out / 'labelme' / 'sub' / labelme['imagePath']).resolve() == source / 'sub' / 'c.TIF'
    assert (read_mask(out / 'cvat' / 'SegmentationClass' / 'sub' / 'c.png') == mask).all()
    assert 'red:1,2,3::' in (out / 'cvat' / 'labelmap.txt').read_text()
    assert cv2.imread(str(out / 'overlays' / 'a.jpg')).shape == (50, 72, 3)

    seen = len(colours.model.seen)  # what is there is kept, and made again when asked
    segment_folder(colours, dict(a=images['a']), out)
    assert len(colours.model.seen) == seen
    segment_folder(colours, dict(a=images['a']), out, overwrite=True)
    assert len(colours.model.seen) > seen
    colours.classes = (*NAMES[:5], 'other')
    with pytest.raises(ValueError, match='masks that were made with another classes'):
        segment_folder(colours, images, out)
    segment_folder(colours, dict(a=images['a']), out, overwrite=True)
    colours.checkpoint = out / 'areas.csv'
    with pytest.raises(ValueError, match='masks that were made with another checkpoint'):
        segment_folder(colours, images, out)


def test_one_score_map_for_two_classes_is_refused():
    cfg = Config.fromfile(CONFIG)
    cfg.model.decode_head.update(num_classes=2, out_channels=1)
    for kind in ('MSCEncoderDecoder', 'mmseg.EncoderDecoder'):
        cfg.model.type = kind
        with pytest.raises(ValueError, match='decode_head.out_channels=1 for num_classes=2'):
            SegmentationInferencer(cfg, classes=('a', ))


def test_errors(checkpoint, colours, image, tmp_path):
    with pytest.raises(ValueError, match='overlap=20 must be'):
        SegmentationInferencer(CONFIG, tile=20, overlap=20)
    with pytest.raises(ValueError, match='2 foreground classes'):
        SegmentationInferencer(CONFIG, checkpoint, classes=('a', 'b'))
    with pytest.raises(ValueError, match=r"no export \['png'\]"):
        segment_folder(colours, {}, tmp_path, ['png'])
    (tmp_path / 'x').mkdir()
    with pytest.raises(FileNotFoundError, match=r'no image in .*\.jpg'):
        list_images([tmp_path / 'x'])
    with pytest.raises(FileNotFoundError, match='no file or folder'):
        list_images([tmp_path / 'y'])
    for name in ('a.jpg', 'a.png'):
        Image.fromarray(image).save(tmp_path / 'x' / name)
    with pytest.raises(ValueError, match='would both be written as "a"'):
        list_images([tmp_path / 'x'])


def test_without_a_checkpoint_the_config_names_the_classes():
    assert SegmentationInferencer(CONFIG).classes[0] == 'stripes'


def test_masks_depend_on_the_config_of_the_model(checkpoint):
    cfg = Config.fromfile(CONFIG)
    before = SegmentationInferencer(cfg, checkpoint).settings()
    assert SegmentationInferencer(CONFIG, checkpoint).settings() == before
    cfg.merge_from_dict({'model.test_cfg.scales': (0.5, 1.)})
    after = SegmentationInferencer(cfg, checkpoint).settings()
    assert [key for key in before if before[key] != after[key]] == ['model']
