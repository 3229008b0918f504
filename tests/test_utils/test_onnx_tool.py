"""tools/export_onnx.py leaves no file that differs from PyTorch."""

import argparse
import runpy
from pathlib import Path

import pytest

from mmwsss import inference
from mmwsss.apis import deploy, segmentation

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('difference', [0., 1., None])
def test_a_wrong_file_is_removed(tmp_path, monkeypatch, static, difference):
    pytest.importorskip('onnxruntime')

    def compared(model, path, image):
        if difference is None:
            raise ValueError('it cannot be run')
        return dict(cam=difference)

    out = tmp_path / 'a.onnx'
    for module, name, value in (
            (inference, 'read_config', lambda *_: None), (inference, 'load_model', lambda *_: None),
            (segmentation, 'class_names', lambda *_: ((), None)),
            (deploy, 'export_onnx', lambda *_: out.write_text('x')),
            (deploy, 'onnx_difference', compared)):
        monkeypatch.setattr(module, name, value)
    run = runpy.run_path(str(ROOT / 'tools/export_onnx.py'))['run']
    args = argparse.Namespace(config='', checkpoint='', out=str(out), size=(8, 8), static=static,
                              no_check=False, cfg_options={})
    if difference == 0.:
        run(args)
        assert out.is_file()
        return
    with pytest.raises(ValueError, match='the file was removed') as caught:
        run(args)
    assert ('--static' in str(caught.value)) != static and not out.exists()
