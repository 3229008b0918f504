"""A training step asks the device for nothing, so that the CPU can run ahead of a GPU."""


import pytest
from mmengine.dataset import pseudo_collate
from test_any_base import DEMO, build_demo
from test_any_base import shapes as shapes  # the fixture

from mmwsss.datasets import EpochIndex
from mmwsss.models.classifiers import Progress


@pytest.mark.parametrize('path', DEMO, ids=lambda path: path.stem)
def test_step_on_a_device_without_values(shapes, path):
    """Every method of the demo, all parts at full weight, forward and backward on PyTorch's
    ``meta`` device: tensors without values, which refuses whatever would read one back."""
    model, dataset = build_demo(path, shapes)
    batch = pseudo_collate([dataset[EpochIndex(0, i)] for i in range(4)])
    model.train().to('meta')
    for phase in ('localizer', 'adversary') if 'adversary' in model.networks else (None, ):
        if phase:
            for part in (model.backbone, model.head):
                part.requires_grad_(phase == 'localizer')
            model.networks.requires_grad_(phase == 'adversary')
        model.set_progress(Progress(phase=phase))
        ready = model.data_preprocessor(batch, True)
        total, _ = model.parse_losses(model(**ready, mode='loss'))
        assert total.device.type == 'meta'
        total.backward()
