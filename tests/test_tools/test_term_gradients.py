"""tools/analysis_tools/term_gradients.py: norms, cosines and first-order changes."""

import importlib.util
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmwsss.datasets import ShapesDataset
from mmwsss.datasets.samplers import EpochIndex
from mmwsss.inference import read_config
from mmwsss.registry import DATASETS, MODELS

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location(
    'term_gradients', ROOT / 'tools/analysis_tools/term_gradients.py')
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def config(monkeypatch, tmp_path):
    ShapesDataset.export(tmp_path, dict(train=8), image_size=48)
    monkeypatch.chdir(ROOT)
    cfg = read_config('configs/demo/ktse_shapes.py')
    cfg.train_dataloader.dataset.update(
        data_root=str(tmp_path), num_images=8, image_size=48)
    return cfg


def test_a_step_changes_what_it_says(config):
    """Against a real step down each term, in double precision."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).double()
    dataset = DATASETS.build(config.train_dataloader.dataset)
    samples = [dataset[EpochIndex(i, tool.LATE)] for i in range(4)]
    batch = model.data_preprocessor(pseudo_collate(samples), training=True)
    batch['inputs'] = {name: image.double() for name, image in batch['inputs'].items()}
    model.eval()  # batch statistics would change between the two passes
    model.train = lambda mode=True: model
    rows = tool.measure(model, batch, step=1e-6)
    assert {'loss_cls', 'sie.loss_kt', 'ssr.loss_intra', 'mga.loss_global'} <= set(rows)
    assert rows['loss_cls'][3] == pytest.approx(1)

    labels = torch.stack([sample.gt_label for sample in batch['data_samples']['image']])

    def positive():
        with torch.no_grad():
            cam = model.extract(batch['inputs']['image']).cam
            return cam.relu().mean((2, 3))[labels > 0].mean()

    before = positive()
    for name in ('loss_cls', 'ssr.loss_intra', 'mga.loss_global'):
        model.zero_grad()
        value = model.loss(**batch)[name]
        value.backward()
        norms = [sum(float((p.grad**2).sum()) for n, p in model.named_parameters()
                     if p.grad is not None and n.startswith('head.') == inside)**0.5
                 for inside in (True, False)]
        assert rows[name][:3] == pytest.approx((float(value), *norms))
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p -= 1e-6 * p.grad
            change = (positive() - before) / before
            for p in model.parameters():
                if p.grad is not None:
                    p += 1e-6 * p.grad
        assert rows[name][4] == pytest.approx(float(change), rel=0.05, abs=1e-10), name


def test_the_tool(config, tmp_path, capsys):
    """On weights of another head, of which the last layer is new."""
    config.dump(tmp_path / 'config.py')
    model = MODELS.build(config.model)
    state = {key: value for key, value in model.state_dict().items() if 'classifier' not in key}
    torch.save(dict(state_dict=state), tmp_path / 'start.pth')
    args = Namespace(config=str(tmp_path / 'config.py'), checkpoint=str(tmp_path / 'start.pth'),
                     images=4, seed=0, cfg_options={})
    tool.run(args)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'not in the checkpoint: head.classifier.weight'
    assert lines[1].split() == ['term', 'value', 'head', 'backbone', 'cosine', 'CAM,', '%']
    assert [line.split()[0] for line in lines[2:]][0] == 'loss_cls'
    torch.save(dict(state_dict=dict(state, other=torch.zeros(1))), tmp_path / 'start.pth')
    with pytest.raises(ValueError, match="not known .*other"):
        tool.run(args)
