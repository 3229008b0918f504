"""A stage of one's own: how much of each image the pseudo masks cover, and their outlines."""

from pathlib import Path

import cv2
import numpy as np

from mmwsss.pipeline import Chart, Column, Context, Stage
from mmwsss.registry import STAGES
from mmwsss.structures.artifacts import read_mask, write_record


@STAGES.register_module()
class CoverageStage(Stage):
    """``pipeline=dict(stages=dict(coverage=dict(type='CoverageStage')))``.

    It needs no ground truth. ``coverage.json`` has the share of every image.

    Args:
        thickness: Of the outlines in the report, in pixels.
    """

    inputs = ('mask', )
    columns = (Column('coverage', 'covered'), )

    def __init__(self, thickness: int = 1):
        self.thickness = thickness

    def run(self, context: Context, folder: Path) -> dict:
        masks, shares = self.before[0].scored_folder, {}
        per_class = np.zeros(len(context.classes) + 1)
        for i in range(len(context.images)):
            name = context.images.get_data_info(i)['name']
            mask = read_mask(masks / f'{name}.png')
            shares[name] = 100 * float((mask > 0).mean())
            per_class += np.bincount(mask[mask < 255], minlength=len(per_class)) / mask.size
        write_record(folder / 'coverage.json', shares)
        splits = {split.name: float(np.mean([shares[name] for name in split.names]))
                  for split in context.splits}
        return dict(splits=splits, per_class=(100 * per_class / len(shares)).tolist())

    def figures(self, context: Context) -> dict[str, dict[str, float]]:
        return {split: dict(coverage=share) for split, share in self.result['splits'].items()}

    def cells(self, context: Context, name: str, image: np.ndarray) -> list:
        mask = read_mask(self.before[0].scored_folder / f'{name}.png')
        outlines = image.copy()
        for k, color in enumerate(context.palette):
            lines, _ = cv2.findContours((mask == k).astype(np.uint8), cv2.RETR_LIST,
                                        cv2.CHAIN_APPROX_NONE)
            if k:
                cv2.drawContours(outlines, lines, -1, tuple(map(int, color)), self.thickness)
        return [('outlines', outlines)]

    def charts(self, context: Context) -> list[Chart]:
        return [Chart('Share of the images that the masks cover', 'bars', self.result['per_class'])]
