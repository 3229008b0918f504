"""mmseg's own inference with our segmentation configs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from PIL import Image

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path for pattern in (
    'configs/deeplab/*.py', 'configs/beco/*.py', 'projects/*/configs/deeplab*.py',
    'projects/*/configs/beco*.py') for path in ROOT.glob(pattern))
SMALL = ROOT / 'configs/deeplab/deeplabv2_small_shapes.py'


class _Constant(torch.nn.Module):
    """In place of a segmentation model: class 1 everywhere, at the size of the input."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg

    def test_step(self, data):
        return [dict(size=tuple(x.shape[1:]), sample=sample)
                for x, sample in zip(data['inputs'], data['data_samples'])]


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    return tmp_path / 'a.png', np.ascontiguousarray(pixels[..., ::-1])


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_the_test_pipeline_needs_no_mask(path, image, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    cfg = Config.fromfile(path)
    from_file = inference_model(_Constant(cfg), str(image[0]))
    from_array = inference_model(_Constant(cfg), image[1])
    assert from_file['size'] == from_array['size']
    assert from_file['sample'].ori_shape == (40, 60)
    assert 'gt_sem_seg' not in from_file['sample']


@pytest.mark.slow
def test_no_segmentation_config_is_left_out():
    others = [path for pattern in ('configs/*/*.py', 'projects/*/configs/*.py')
              for path in ROOT.glob(pattern)
              if path.parent.name not in ('_base_', 'tables') and path not in CONFIGS]
    assert len(CONFIGS) > 30 and len(others) > 100
    assert [path.stem for path in others
            if 'decode_head' in (Config.fromfile(path).get('model') or {})] == []


@pytest.mark.slow
@pytest.mark.parametrize('path', [path for path in CONFIGS if 'msc-crf' not in path.stem],
                         ids=lambda path: path.stem)
def test_every_segmentation_model_answers(path, image, monkeypatch, without_weights):
    """mmseg's inference and inferencer, with the config's own model at one scale, random weights;
    those with a CRF have the models of the others."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    cfg = Config.fromfile(path)
    cfg.model = without_weights(cfg.model.to_dict())
    if 'scales' in cfg.model.test_cfg:
        cfg.model.test_cfg.update(scales=(1., ), flip=False)
    for step in (*cfg.get('test_pipeline', []), *cfg.test_dataloader.dataset.pipeline):
        if 'scale' in step:  # 512 in BECO
            step.scale = (96, 96)
    inferencer = MMSegInferencer(cfg, device='cpu', show_progress=False)
    mask = inferencer(image[1])['predictions']
    assert mask.shape == (40, 60) and mask.max() < inferencer.model.decode_head.num_classes
    from_file = inference_model(inferencer.model, str(image[0])).pred_sem_seg.data
    assert (from_file[0].numpy() == mask).all()


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    model = init_model(Config.fromfile(SMALL), device='cpu')
    meta = dict(dataset_meta=dict(classes=[f'class {i}' for i in range(7)],
                                  palette=[[i, i, i] for i in range(7)]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / 'a.pth')
    return str(tmp_path / 'a.pth')


def test_inference_model_and_inferencer_agree(image, checkpoint):
    model = init_model(Config.fromfile(SMALL), checkpoint, device='cpu')
    expected = inference_model(model, image[1]).pred_sem_seg.data[0].numpy()
    assert expected.shape == (40, 60)
    inferencer = MMSegInferencer(Config.fromfile(SMALL), checkpoint, device='cpu',
                                 show_progress=False)
    for source in (str(image[0]), image[1]):
        assert (inferencer(source)['predictions'] == expected).all()


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'mobilenet' in path.stem],
                         ids=lambda path: path.stem)
def test_a_backbone_of_ours_in_the_scope_of_mmseg(path, image, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    inferencer = MMSegInferencer(Config.fromfile(path), device='cpu', show_progress=False)
    assert inferencer(image[1])['predictions'].shape == (40, 60)
