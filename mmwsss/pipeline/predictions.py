"""What a segmentation model predicts, as mask files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.hooks import Hook

from mmwsss.datasets.splits import inner_dataset
from mmwsss.registry import TRANSFORMS
from mmwsss.structures.artifacts import write_mask
from mmwsss.utils.model_wrapper import unwrap_model


class SavePredictions(Hook):
    """Write what the test loop predicts as ``<folder>/<name>.png``, subfolders of the names
    included; ``classes`` are the names of the ids from 0."""

    def __init__(self, folder: Path, palette: Any, classes: Sequence[str] = ()):
        self.folder = folder
        self.palette = palette
        self.classes = classes
        self.names: dict[str, str] = {}

    def before_test(self, runner: Any) -> None:
        dataset = runner.test_dataloader.dataset
        infos = (dataset.get_data_info(i) for i in range(len(dataset)))
        self.names = {info['img_path']: info['name'] for info in infos}

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None,
                        outputs: Any = None) -> None:
        for sample in outputs:
            mask = sample.pred_sem_seg.data[0].cpu().numpy()
            write_mask(self.folder / f'{self.names[sample.img_path]}.png', mask, self.palette,
                       self.classes)


@torch.no_grad()
def predict_files(runner: Any, cfg: Config, images: Sequence[tuple[str, str]], folder: Path,
                  palette: Any, classes: Sequence[str] = ()) -> None:
    """Write the predictions for some image files.

    Args:
        runner: Has the trained model.
        cfg: Its config; images are transformed as those of its ``test_dataloader``, if any.
        images: Name and file of each.
        folder: Of the masks ``<name>.png``.
        palette: Colours of the ids.
        classes: Their names, from 0.
    """
    steps = [dict(type='LoadImageFromFile'), dict(type='mmseg.PackSegInputs')]
    if cfg.get('test_dataloader'):
        steps = [step for step in inner_dataset(cfg.test_dataloader.dataset)['pipeline']
                 if not (kind := step['type'].split('.')[-1]).startswith('Load')
                 or kind == 'LoadImageFromFile']
    compose = Compose([TRANSFORMS.build(step) for step in steps])
    model = unwrap_model(runner.model).eval()
    for name, path in images:
        data = compose(dict(img_path=path))
        sample = model.test_step(
            dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
        write_mask(folder / f'{name}.png', sample.pred_sem_seg.data[0].cpu().numpy(), palette,
                   classes)
