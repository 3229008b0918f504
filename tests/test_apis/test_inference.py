import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

import mmwsss.models  # noqa: F401
from mmwsss.apis import CAMInferencer
from mmwsss.inference import load_model, multi_scale_cam, seed_mask
from mmwsss.registry import INFERENCERS


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
    expected = seed_mask(cam[:2].numpy(), np.array([0, 1]), (40, 56), 0.3)
    assert (result['mask'] == expected).all() and result['mask'].dtype == np.uint8
    assert result['overlay'].shape == result['cam_overlay']['cat'].shape == (40, 56, 3)
    assert set(result['scores']) == {'cat', 'dog', 'cow'}


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
])
def test_errors(infer, image, call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call(infer, image)


def test_built_model_and_registry(infer, image):
    again = INFERENCERS.build(dict(type='CAMInferencer', model=infer.model, scales=(1., )))
    assert again(image, [2])['labels'] == ['class 2']
    with pytest.raises(ValueError, match='checkpoint= goes with a config'):
        CAMInferencer(infer.model, 'x.pth')
    with pytest.raises(ValueError, match='2 names for 3 classes'):
        CAMInferencer(infer.model, classes=('a', 'b'))


def test_refiner(config, image):
    class Refiner:
        def __call__(self, image, cam, keys):
            return np.full(image.shape[:2], keys[0] + 1, np.uint8)

    infer = CAMInferencer(config)
    infer.refiner = Refiner()
    assert (infer(image, ['cow'])['mask'] == 3).all()
