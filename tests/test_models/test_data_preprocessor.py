import numpy as np
import pytest
import torch

from mmwsss.models.data_preprocessor import WSSSDataPreprocessor
from mmwsss.structures import WSSSDataSample


def test_normalises_and_keeps_padding_at_zero():
    preprocessor = WSSSDataPreprocessor(mean=(1.0, 2, 3), std=(2.0, 4, 8))
    image = np.random.default_rng(0).integers(0, 255, (3, 5, 6), dtype=np.uint8)
    sample = WSSSDataSample(gt_label=torch.ones(2), metainfo=dict(valid_box=(1, 0, 3, 4)))
    batch = dict(
        inputs=dict(image=[torch.tensor(image)], strong=[torch.tensor(image)]),
        data_samples=dict(image=[sample]))
    out = preprocessor(batch, training=True)
    expected = (image[::-1].astype(np.float64) - np.array([1, 2, 3])[:, None, None]) / np.array(
        [2, 4, 8])[:, None, None]
    inside = np.zeros((5, 6), dtype=bool)
    inside[1:4, :4] = True
    for view in ('image', 'strong'):
        result = out['inputs'][view][0].numpy()
        np.testing.assert_allclose(result[:, inside], expected[:, inside], rtol=1e-5)
        assert (result[:, ~inside] == 0).all()


def test_images_of_different_size_are_refused():
    batch = dict(inputs=dict(image=[torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)]), data_samples={})
    with pytest.raises(ValueError, match='view "image" differ in size'):
        WSSSDataPreprocessor()(batch)


def test_channels_last_is_the_same_image():
    batch = dict(inputs=dict(image=[torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)] * 2))
    plain = WSSSDataPreprocessor()(batch)['inputs']['image']
    last = WSSSDataPreprocessor(channels_last=True)(batch)['inputs']['image']
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.is_contiguous() and torch.equal(plain, last)


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_in_place_normalisation_is_exact_and_leaves_the_data_alone(bgr_to_rgb, dtype):
    preprocessor = WSSSDataPreprocessor(bgr_to_rgb=bgr_to_rgb)
    image = torch.randint(0, 256, (3, 7, 5)).to(dtype)
    given = image.clone()
    out = preprocessor(dict(inputs=dict(image=image[None])))['inputs']['image'][0]
    ordered = given.flip(0) if bgr_to_rgb else given
    assert torch.equal(out, (ordered.float() - preprocessor.mean) / preprocessor.std)
    assert torch.equal(image, given)


class Unmoved(torch.Tensor):
    """Fails where it is copied to a device."""

    def to(self, *args, **kwargs):
        raise AssertionError('moved')


def test_image_labels_stay_on_the_cpu():
    label = torch.ones(2).as_subclass(Unmoved)
    sample = WSSSDataSample(
        gt_label=label, saliency=torch.zeros(4, 4), metainfo=dict(name='cat_01'))
    batch = dict(
        inputs=dict(image=[torch.zeros(3, 4, 4)]), data_samples=dict(image=[sample]))
    out = WSSSDataPreprocessor().to('meta')(batch)
    moved = out['data_samples']['image'][0]
    assert out['inputs']['image'].is_meta and moved.saliency.is_meta
    assert moved.gt_label is label and moved.name == 'cat_01'
