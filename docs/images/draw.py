"""Draw the images of the documentation from a run of the demo.

    python tools/run_pipeline.py configs/demo/ktse_shapes.py --no-baseline
    python docs/images/draw.py work_dirs/ktse_shapes/pipeline
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from mmwsss.datasets.samplers import EpochIndex
from mmwsss.inference import seed_mask
from mmwsss.pipeline import Pipeline
from mmwsss.registry import DATASETS, MODELS
from mmwsss.structures.artifacts import CAMFile, load_cam, read_record
from mmwsss.visualization import draw_grid, overlay_cam, overlay_mask

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
STAGES = ('val_00049', 'val_00012', 'val_00055')  # of two classes each, better than the average


def save(name: str, image: np.ndarray) -> None:
    """A palette PNG: small, and good enough for drawings."""
    Image.fromarray(image).quantize(192, dither=Image.Dither.NONE).save(
        HERE / f'{name}.png', optimize=True)


class Drawing:
    """Cells of one run."""

    def __init__(self, work_dir: str):
        options = dict(baseline=None, report=dict(images=8))
        pipeline = Pipeline('configs/demo/ktse_shapes.py', work_dir)
        self.pipeline = Pipeline('configs/demo/ktse_shapes.py', work_dir,
                                 options={**pipeline.context.options, **options})
        self.context = self.pipeline.context
        dataset = self.context.scored[-1].dataset
        infos = map(dataset.get_data_info, range(len(dataset)))
        self.files = {info['name']: info['img_path'] for info in infos}

    def image(self, name: str) -> np.ndarray:
        return np.asarray(Image.open(self.files[name]).convert('RGB'))

    def ground_truth(self, name: str) -> tuple[str, np.ndarray]:
        mask = next(s for s in self.context.scored if name in s.names).ground_truth(name)
        return 'ground truth', overlay_mask(self.image(name), mask, self.context.palette)

    def cam(self, name: str) -> CAMFile:
        return load_cam(self.pipeline.stages['cam'].folder / f'{name}.npz')

    def stages(self) -> np.ndarray:
        """Every stage of three images."""
        rows = []
        for name in STAGES:
            image = self.image(name)
            cells = [cell for stage in self.pipeline.stages.values() if stage.is_done
                     for cell in stage.cells(self.context, name, image)]
            rows.append([('image', image), *cells, self.ground_truth(name)])
        return draw_grid(rows, height=112)

    def thresholds(self, name: str = 'val_00049') -> np.ndarray:
        """Seeds of one CAM at four thresholds; above the curve of all of them."""
        image, file = self.image(name), self.cam(name)
        row = [('image', image), (f'CAM {self.context.classes[file.keys[0]]}',
                                  overlay_cam(image, file.cam[0]))]
        for threshold in (0.05, 0.15, 0.3, 0.5):
            seed = seed_mask(file, threshold)
            row.append((f'at {threshold:.2f}', overlay_mask(image, seed, self.context.palette)))
        grid = draw_grid([row], height=112)
        curve = read_record(self.pipeline.stages['cam'].folder / 'seeds_train.json')['curve']
        figure, axes = plt.subplots(figsize=(grid.shape[1] / 100, 2.2), dpi=100, layout='tight')
        axes.plot(curve['thresholds'], curve['mIoU'])
        axes.set(xlabel='background threshold', ylabel='seed mIoU')
        axes.grid(alpha=0.3)
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[:, :grid.shape[1], :3]
        return np.concatenate([grid, drawn])

    def refiners(self, names: tuple = ('val_00018', 'val_00079')) -> np.ndarray:
        """The same CAM through several refiners."""
        rows = []
        for name in names:
            image, (cam, keys, *_) = self.image(name), self.cam(name)
            row = [('image', image), (f'CAM {self.context.classes[keys[0]]}',
                                      overlay_cam(image, cam[0]))]
            for kind, caption in (('ThresholdMask', 'seed'), ('PARMask', 'PAR'),
                                  ('CRFMask', 'CRF')):
                refiner = MODELS.build(dict(type=kind, bg=0.15))
                mask = refiner(np.ascontiguousarray(image[..., ::-1]), cam, keys)
                row.append((caption, overlay_mask(image, mask, self.context.palette)))
            rows.append([*row, self.ground_truth(name)])
        return draw_grid(rows, height=112)

    def views(self) -> np.ndarray:
        """What modules see: KTSE's pair, and FSAE's strong view."""
        paired = self.context.cfg.train_dataloader.dataset
        strong = Pipeline('configs/demo/fsae_cam_shapes.py', HERE / 'none').context.cfg
        cells = []
        for cfg, index in ((paired, 3), (strong.train_dataloader.dataset, 10)):
            sample = DATASETS.build(cfg)[EpochIndex(index, 20)]
            for view, tensor in sample['inputs'].items():
                label = sample['data_samples'].get(view, sample['data_samples']['image']).gt_label
                names = [self.context.classes[i] for i in label.nonzero()[:, 0].tolist()]
                rgb = tensor.numpy().transpose(1, 2, 0)[..., ::-1]
                cells.append((f'{view}: {", ".join(names)}', np.ascontiguousarray(rgb)))
        return draw_grid([cells], height=144)


def main() -> None:
    drawing = Drawing(sys.argv[1])
    for name in ('stages', 'thresholds', 'refiners', 'views'):
        save(name, getattr(drawing, name)())


if __name__ == '__main__':
    main()
