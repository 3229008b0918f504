import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn

import mmwsss.models  # noqa: F401
from mmwsss.apis import CAMInferencer
from mmwsss.apis.read_image import read_image
from mmwsss.inference import load_model, multi_scale_cam, seed_mask
from mmwsss.registry import INFERENCERS, MODELS
from mmwsss.structures.artifacts import CAMFile, load_cam, read_classes, read_mask


@pytest.fixture(scope='module')
def config():
    return Config(dict(
        model=dict(
            type='WSSSClassifier',
            backbone=dict(type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8,
                          base_channels=8, strides=(1, ), dilations=(1, ), out_indices=(0, )),
            head=dict(type='GAPHead', num_classes=3, in_channels=8),
            test_cfg=dict(scales=(0.5, 1.), flip=False)),
        train_dataloader=dict(dataset=dict(
            type='PairedDataset', dataset=dict(
                type='ImageLabelDataset', metainfo=dict(classes=('cat', 'dog', 'cow')))))))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.fixture
def infer(config):
    torch.manual_seed(0)
    return CAMInferencer(config)


def test_result_is_the_shared_inference(infer, image):
    result = infer(image, labels=['dog', 'cat'])
    assert result['labels'] == ['cat', 'dog'] and list(result['cam']) == ['cat', 'dog']
    data = dict(inputs={'image': [torch.from_numpy(image.transpose(2, 0, 1).copy())]})
    inputs = infer.model.data_preprocessor(data)['inputs']['image']
    cam = multi_scale_cam(infer.model, inputs, torch.tensor([[1., 1, 0]]), (0.5, 1.), False)[0]
    np.testing.assert_allclose(result['cam']['dog'], cam[1], atol=1e-6)
    expected = seed_mask(CAMFile(cam[:2].numpy(), np.array([0, 1]), (40, 56)), 0.3)
    assert (result['mask'] == expected).all() and result['mask'].dtype == np.uint8
    assert result['overlay'].shape == result['cam_overlay']['cat'].shape == (40, 56, 3)
    assert set(result['scores']) == {'cat', 'dog', 'cow'}


def test_the_networks_own_background(image, tmp_path):
    """It is in the result and in the file, as the CAM stage writes it, for ``bg='own'``."""
    torch.manual_seed(0)
    stages = dict(type='mmseg.ResNet', depth=18, stem_channels=8, base_channels=8)
    infer = CAMInferencer(Config(dict(
        model=dict(
            type='WSSSClassifier', backbone=stages,
            head=dict(type='SIPEHead', num_classes=3, in_channels=(8, 16, 32, 64),
                      side_channels=(3, ) * 4)),
        train_dataloader=dict(dataset=dict(
            type='ImageLabelDataset', metainfo=dict(classes=('cat', 'dog', 'cow')))))))
    result = infer([image], labels=[['dog', 'cow']], out_dir=tmp_path)[0]
    file = load_cam(tmp_path / 'cams/00000.npz')
    background = file.background
    assert result['background'].shape == background.shape == (40, 56)
    np.testing.assert_allclose(background, result['background'], atol=1e-3)
    stack = np.stack([background, *file.cam])
    own = np.array([0, 2, 3])[stack.argmax(0)]
    assert (own == result['mask']).mean() > 0.99  # float16


def test_large_images_are_limited_but_results_are_not(infer, image):
    infer.options['max_side'] = 28
    sizes, extract = [], infer.model.extract
    infer.model.extract = lambda x: sizes.append(tuple(x.shape[-2:])) or extract(x)
    result = infer(image, labels=['dog'])
    assert result['cam']['dog'].shape == result['mask'].shape == (40, 56)
    assert sizes == [(20, 28), (10, 14), (20, 28)]  # the image label, and the two scales


def test_labels_by_name_or_index_and_none(infer, image):
    by_index = infer(image, labels=[1])
    assert by_index['labels'] == infer(image, labels='dog')['labels'] == ['dog']
    asked = infer(image)
    scores = asked['scores']
    above = [name for name, score in scores.items() if score >= 0.5]
    assert asked['labels'] == (above or [max(scores, key=scores.get)])


def test_files_and_lists(infer, image, tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), image)
    one, two = infer([path, image], labels=[['cat'], ['cow']])
    assert one['labels'] == ['cat'] and two['labels'] == ['cow']
    assert (one['mask'] == infer(image, ['cat'])['mask']).all()


def test_checkpoint_round_trip_and_refusal(config, infer, image, tmp_path):
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=infer.model.state_dict()), path)
    again = CAMInferencer(config, path)(image, [0])
    np.testing.assert_array_equal(again['cam']['cat'], infer(image, [0])['cam']['cat'])
    state = infer.model.state_dict()
    state.pop('head.classifier.weight')
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"does not fit.*head\.classifier\.weight"):
        load_model(config, path)


@pytest.mark.parametrize(('call', 'message'), [
    (lambda f, x: f(x, ['bird']), r"no class 'bird'; there are \['cat', 'dog', 'cow'\]"),
    (lambda f, x: f(x, [3]), 'no class 3'),
    (lambda f, x: f(x.astype(float)), 'uint8 BGR'),
    (lambda f, x: f([x, x], [['cat']]), 'labels of 1 images for 2'),
    (lambda f, x: f('no.jpg'), r'no image "no\.jpg"'),
    (lambda f, x: f(x, [True]), 'no class True'),
    (lambda f, x: f(x[:0]), r'not uint8 \(0, 56, 3\)'),
    (lambda f, x: f(None), 'must be a file, a PIL image or .*not None'),
    (lambda f, x: f(3), r'not int64 \(\)'),
    (lambda f, x: f(x, batch_size=0), 'batch_size=0 must be a positive integer'),
    (lambda f, x: f(x, batch_size=2.5), 'batch_size=2.5'),
    (lambda f, x: CAMInferencer(nn.Linear(1, 1)), 'is no classifier.*SegmentationInferencer'),
    (lambda f, x: CAMInferencer(f.model, threshold=5), r'threshold=5 must be a number in \[0, 1\]'),
    (lambda f, x: CAMInferencer(f.model, threshold='a'), "threshold='a'"),
    (lambda f, x: CAMInferencer(f.model, label_threshold=-.1), 'label_threshold=-0.1'),
    (lambda f, x: CAMInferencer(f.model, label_threshold=True), 'label_threshold=True'),
])
def test_errors(infer, image, call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(infer, image)


def test_an_image_of_no_class(infer, image, tmp_path):
    result = infer(image, labels=[], out_dir=tmp_path)
    assert result['cam'] == {} and not result['mask'].any() and result['labels'] == []
    cam, keys, *_ = load_cam(tmp_path / 'cams' / '00000.npz')
    assert cam.shape == (0, *image.shape[:2]) and not len(keys)


def test_two_images_of_one_name(infer, image, tmp_path):
    """One of them would be lost; a dict names them, and the tool takes all folders together."""
    paths = [tmp_path / folder / 'a.png' for folder in ('one', 'two')]
    for path in paths:
        path.parent.mkdir()
        cv2.imwrite(str(path), image)
    with pytest.raises(ValueError, match='one/a.png" and ".*two/a.png" would both be .* as "a"'):
        infer(paths, out_dir=tmp_path / 'out')
    assert not (tmp_path / 'out').exists() and len(infer(paths)) == 2
    named = infer(dict(zip('pq', paths)), labels=['cat'], out_dir=tmp_path / 'out')
    assert [x['name'] for x in named] == ['p', 'q'] and named[1]['labels'] == ['cat']
    assert sorted(x.name for x in (tmp_path / 'out/masks').glob('*.png')) == ['p.png', 'q.png']


def test_pil_images_are_read_as_files(tmp_path):
    deep = (np.arange(48 * 64, dtype=np.uint16) * 20).reshape(48, 64)
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    exif = Image.Exif()
    exif[274] = 6
    turned = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(turned).save(tmp_path / 'turned.png', exif=exif)
    for name in ('deep', 'turned'):
        path = tmp_path / f'{name}.png'
        with Image.open(path) as pil:
            np.testing.assert_array_equal(read_image(pil), read_image(path))
    assert read_image(tmp_path / 'turned.png').shape == (30, 20, 3)


def test_labels_by_name_and_names_that_lead_outside(infer, image, tmp_path):
    found = infer(dict(p=image, q=image), labels=dict(q=['cat']))
    assert found[1]['labels'] == ['cat'] and found[0]['labels'] == infer(image)['labels']
    with pytest.raises(ValueError, match=r"labels of \['qq'\], but .* there are \['p', 'q'\]"):
        infer(dict(p=image, q=image), labels=dict(qq=['cat']))
    for name in ('../evil', '/evil'):
        with pytest.raises(ValueError, match='evil" would be written outside out_dir'):
            infer({name: image}, out_dir=tmp_path)


def test_built_model_and_registry(infer, image):
    again = INFERENCERS.build(dict(type='CAMInferencer', model=infer.model, scales=(1., )))
    assert again(image, [2])['labels'] == ['class 2']
    with pytest.raises(ValueError, match='checkpoint= goes with a config'):
        CAMInferencer(infer.model, 'x.pth')
    with pytest.raises(ValueError, match='2 names for 3 classes'):
        CAMInferencer(infer.model, classes=('a', 'b'))


def test_refiner(config, image):
    class Refiner:
        def __call__(self, image, cam, keys, background=None):
            return np.full(image.shape[:2], keys[0] + 1, np.uint8)

    infer = CAMInferencer(config)
    infer.refiner = Refiner()
    assert (infer(image, ['cow'])['mask'] == 3).all()


PSA_NET = dict(type='AffinityNet', in_channels=(16, 32, 128), channels=(4, 6, 8), backbone=dict(
    type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False, frozen_stages=-1))
IRN_NET = dict(
    type='IRNet', in_channels=(16, 16, 32, 64, 128), crop_size=64,
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16,
                  strides=(1, 2, 2, 1), out_indices=(0, 1, 2, 3)))


@pytest.mark.parametrize('refiner', [
    dict(type='ThresholdMask', bg=0.3), dict(type='PARMask', bg=0.3), dict(type='CRFMask', bg=0.3),
    dict(type='PSAMask', alpha=4, log_steps=2, radius=3, model=PSA_NET),
    dict(type='IRNMask', bg=0.25, log_steps=2, model=IRN_NET)], ids=lambda x: x['type'])
def test_each_registered_refiner(config, image, refiner, tmp_path):
    """The mask is what the refiner makes of the CAM that is returned."""
    if 'model' in refiner:
        torch.manual_seed(0)
        path = tmp_path / 'net.pth'
        torch.save(MODELS.build(refiner['model']).state_dict(), path)
        refiner = dict(refiner, checkpoint=str(path), device='cpu')
    infer = CAMInferencer(config, refiner=refiner)
    result = infer(image, ['cat', 'cow'])
    cam = np.stack([result['cam']['cat'], result['cam']['cow']])
    expected = MODELS.build(refiner)(image, cam, [0, 2])
    assert (result['mask'] == expected).all() and set(np.unique(expected)) <= {0, 1, 3}


def test_what_makes_no_mask_is_refused(config):
    with pytest.raises(ValueError, match='AffinityScores makes no mask'):
        CAMInferencer(config, refiner=dict(type='AffinityScores'))


def test_no_refiner_is_missing_above():
    from mmwsss.models.refiners import MaskRefiner
    known = {name for name, kind in MODELS.module_dict.items()
             if isinstance(kind, type) and issubclass(kind, MaskRefiner)
             and kind.__module__.startswith('mmwsss.')}
    assert known == {'ThresholdMask', 'PARMask', 'CRFMask', 'PSAMask', 'IRNMask'}


def test_grey_and_pil_images(infer, image):
    grey = image[..., 0]
    expected = infer(np.stack([grey] * 3, axis=-1), ['cat'])['cam']['cat']
    np.testing.assert_array_equal(infer(grey, ['cat'])['cam']['cat'], expected)
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    np.testing.assert_array_equal(infer(rgb, ['cat'])['cam']['cat'],
                                  infer(image, ['cat'])['cam']['cat'])
    palette = Image.fromarray(grey).convert('P')
    assert infer(palette, ['cat'])['mask'].shape == grey.shape


def test_a_folder_in_batches_with_files(infer, image, tmp_path):
    """As one image at a time, and the files hold what is returned."""
    folder = tmp_path / 'in'
    (folder / 'sub').mkdir(parents=True)
    for name in ('a.png', 'b.png', 'sub/a.png'):
        size = (40, 56) if name != 'b.png' else (32, 32)
        cv2.imwrite(str(folder / name), np.roll(image, len(name), 0)[:size[0], :size[1]])
    (folder / 'notes.txt').write_text('x')
    sizes = []
    predict = infer.model.predict_logits
    infer.model.predict_logits = lambda x: sizes.append(len(x)) or predict(x)
    results = infer(folder, [['cat'], ['dog'], ['cow', 'cat']], batch_size=2,
                    out_dir=tmp_path / 'out')
    assert [r['name'] for r in results] == ['a', 'b', 'sub/a'] and sizes == [1, 1, 1]
    sizes.clear()
    same = infer([image, np.roll(image, 9, 0), image[:32]], batch_size=2)
    assert sizes == [2, 1] and len(same) == 3
    for name, labels, result in zip(('a', 'b', 'sub/a'), (['cat'], ['dog'], ['cow', 'cat']),
                                    results):
        one = infer(str(folder / f'{name}.png'), labels)
        np.testing.assert_allclose(one['cam'][labels[0]], result['cam'][labels[0]], atol=1e-5)
        cam, keys, size, _ = load_cam(tmp_path / 'out' / 'cams' / f'{name}.npz')
        assert [infer.classes[key] for key in keys] == result['labels']
        np.testing.assert_allclose(cam, list(result['cam'].values()), atol=1e-3)
        assert size == result['mask'].shape
        path = tmp_path / 'out' / 'masks' / f'{name}.png'
        assert (read_mask(path) == result['mask']).all()
        assert read_classes(path) == ('background', *infer.classes)
        overlay = np.asarray(Image.open(tmp_path / 'out' / 'overlays' / f'{name}.png'))
        assert (overlay == result['overlay']).all()
    names = (tmp_path / 'out' / 'masks' / 'classes.txt').read_text().splitlines()
    assert names == ['background', *infer.classes]
    later = infer.stream([str(folder / 'a.png'), str(folder / 'gone.png')])
    assert next(later)['name'] == 'a'  # before the second is read
    with pytest.raises(FileNotFoundError, match='gone.png'):
        next(later)
    failed = {}
    paths = [str(folder / name) for name in ('a.png', 'gone.png', 'b.png')]
    assert [r['name'] for r in infer.stream(paths, failed=failed)] == ['a', 'b']
    assert list(failed) == ['gone'] and 'gone.png' in failed['gone']
    with pytest.raises(FileNotFoundError, match='no image in'):
        infer(tmp_path / 'out' / 'cams')
