import importlib.util
import json
import tarfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmwsss.apis.exports import coco_rle
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import write_mask
from mmwsss.utils import register_all_modules
from mmwsss.utils.palette import voc_palette

ROOT = Path(__file__).parents[2]
CLASSES = ('a', 'b', 'c')


def load_tool():
    spec = importlib.util.spec_from_file_location('tool', ROOT / 'tools/make_submission.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


def decoded(code):
    """COCO's run-length code back to a mask, by its public rule."""
    counts, at = [], 0
    text = code['counts'].encode()
    while at < len(text):
        value = shift = 0
        while True:
            byte = text[at] - 48
            value |= (byte & 31) << shift
            at, shift = at + 1, shift + 5
            if not byte & 32:
                break
        if byte & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    pixels = [index % 2 for index, count in enumerate(counts) for _ in range(count)]
    height, width = code['size']
    return np.array(pixels, bool).reshape(width, height).T


@pytest.mark.parametrize('share', [0., 0.02, 0.5, 1.])
def test_run_lengths(share):
    rng = np.random.default_rng(0)
    for size in ((1, 1), (7, 3), (90, 130)):
        mask = rng.random(size) < share
        assert np.array_equal(decoded(coco_rle(mask)), mask)


def test_run_lengths_of_a_known_mask():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    # Columns: 5 zeros, 2 ones, 2 zeros, 2 ones, 5 zeros; from the fourth on less the last but one.
    assert coco_rle(mask) == dict(size=[4, 4], counts='52203')


def test_coco_results(tmp_path):
    mask = np.zeros((5, 6), np.uint8)
    mask[0], mask[3:, 2:] = 12, 80
    write_mask(tmp_path / 'COCO_test2014_000000000012.png', mask)
    first, last = tool.coco_results(tmp_path, ['COCO_test2014_000000000012'])
    # 12 is "stop sign", category 13, since 12 is not used; 80 is "toothbrush", category 90.
    assert (first['image_id'], first['category_id'], last['category_id']) == (12, 13, 90)
    assert np.array_equal(decoded(last['segmentation']), mask == 80)
    write_mask(tmp_path / 'x_1.png', np.full((2, 2), 81))
    with pytest.raises(ValueError, match='class 81'):
        tool.coco_results(tmp_path, ['x_1'])
    with pytest.raises(ValueError, match='no COCO name'):
        tool.coco_results(tmp_path, ['x'])


@pytest.fixture
def run(tmp_path):
    """A config, weights, and images without ground truth; calls the tool on them."""
    register_all_modules()
    rng = np.random.default_rng(0)
    for name in ('2008_1', '2008_2', '2008_3'):
        path = tmp_path / 'JPEGImages' / f'{name}.jpg'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (30, 41, 3)).astype(np.uint8)).save(path)
    (tmp_path / 'test.txt').write_text('2008_1\n2008_3\n')
    cfg = Config.fromfile(ROOT / 'configs/deeplab/deeplabv2_small_shapes.py')
    cfg.model.backbone.update(stem_channels=4, base_channels=4)
    cfg.model.decode_head.update(num_classes=3, in_channels=16)
    dataset = cfg.test_dataloader.dataset
    dataset.update(data_root=str(tmp_path), ann_file='val.txt', img_suffix='.jpg',
                   mask_classes=CLASSES, metainfo=dict(classes=('c', 'a')))
    cfg.dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for branch in model.decode_head.branches:
        torch.nn.init.normal_(branch.weight)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')

    def call(*options):
        args = tool.parse_args([
            str(tmp_path / 'config.py'), str(tmp_path / 'model.pth'), str(tmp_path / 'out'),
            '--ann-file', 'test.txt', '--num-workers', '0', *options])
        return tool.make_submission(args)

    call.model = model.eval()
    return call


def test_folder_for_the_voc_server(tmp_path, run):
    result = run()
    part = 'results/VOC2012/Segmentation/comp6_test_cls'
    with tarfile.open(result) as tar:
        assert tar.getnames() == [f'{part}/2008_1.png', f'{part}/2008_3.png']
    image = Image.open(tmp_path / 'out' / part / '2008_1.png')
    assert image.mode == 'P' and image.size == (41, 30)
    assert image.getpalette()[:9] == sum(voc_palette(3), [])
    # The model's classes are c and a; the server knows them as 3 and 1.
    pixels = Image.open(tmp_path / 'JPEGImages/2008_1.jpg')
    bgr = torch.from_numpy(np.array(pixels)[..., ::-1].copy()).permute(2, 0, 1)
    with torch.no_grad():
        sample, = run.model.test_step(dict(inputs=[bgr], data_samples=None))
    ids = np.array([0, 3, 1])[sample.pred_sem_seg.data[0].numpy()]
    assert (np.array(image) == ids).mean() > 0.98  # another JPEG decoder


def test_goes_on_and_does_not_mix(tmp_path, run):
    run()
    kept = tmp_path / 'out/results/VOC2012/Segmentation/comp6_test_cls/2008_1.png'
    write_mask(kept, np.zeros((30, 41)))
    lost = kept.with_name('2008_3.png')
    lost.unlink()
    run()
    assert not np.array(Image.open(kept)).any() and lost.is_file()
    run.model.decode_head.branches[0].weight.data.zero_()
    torch.save(dict(state_dict=run.model.state_dict()), tmp_path / 'model.pth')
    with pytest.raises(ValueError, match='another checkpoint'):
        run()


def test_coco_list(tmp_path, run):
    result = run('--format', 'coco')
    entries = json.loads(result.read_text())
    assert {entry['image_id'] for entry in entries} == {1, 3}
    masks = {i: np.array(Image.open(tmp_path / f'out/masks/2008_{i}.png')) for i in (1, 3)}
    for i in (1, 3):
        of_image = {entry['category_id']: entry for entry in entries if entry['image_id'] == i}
        assert set(of_image) == set(np.unique(masks[i])) - {0}
        for category, entry in of_image.items():
            assert np.array_equal(decoded(entry['segmentation']), masks[i] == category)


@pytest.mark.parametrize('option, message', [
    (('--ann-file', 'none.txt'), 'none.txt'), (('--img-dir', 'nowhere'), 'images.*missing')])
def test_missing_files_are_named(run, option, message):
    with pytest.raises(FileNotFoundError, match=message):
        run(*option)


@pytest.mark.parametrize('cfg', [dict(), dict(test_dataloader=None)])
def test_a_config_without_a_test_set(cfg):
    with pytest.raises(ValueError, match='own.py has no test_dataloader.*tools/infer.py'):
        tool.build_dataset(Config(cfg), Namespace(config='own.py', ann_file=None, img_dir=None))
