"""CRF of many images: one after the other with all 21 labels, against ours, in one run.

    python tools/benchmarks/crf.py [--images 8] [--workers 2] [--torch]

Ours takes the background and the classes of the image, in a pool of processes.
"""

import argparse
import os
import time
from functools import partial

import cv2
import numpy as np

from mmwsss.models.refiners import TorchCRF, make_crf
from mmwsss.utils.parallel import ordered_map


class Images:
    """Drawn on access: textured regions and a CAM-like score of the classes present."""

    def __init__(self, count: int, size: tuple, labels: int):
        self.count, self.size, self.labels = count, size, labels

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        if index >= self.count:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        img = cv2.resize(coarse, self.size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.int16)
        img = (img + rng.integers(-20, 21, img.shape)).clip(0, 255).astype(np.uint8)
        cam = np.stack([cv2.resize(rng.random((5, 7), np.float32), self.size[::-1])
                        for _ in range(1 + index % 2)])
        prob = np.concatenate([(1 - cam.max(0, keepdims=True))**4, cam])
        if self.labels > len(prob):
            rest = np.zeros((self.labels - len(prob), *self.size), np.float32)
            prob = np.concatenate([prob, rest])
        return img, prob


def refine(crf, pair: tuple) -> np.ndarray:
    return crf(*pair).argmax(0)


def measure(crf, images, workers: int) -> tuple[float, list]:
    begin, masks = time.perf_counter(), []
    for _, mask, error in ordered_map(partial(refine, crf), images, workers):
        if error is not None:
            raise RuntimeError(f'CRF of image {len(masks)}: {error}')
        masks.append(mask)
    return (time.perf_counter() - begin) / len(images), masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=8)
    parser.add_argument('--size', type=int, nargs=2, default=(375, 500), metavar=('H', 'W'))
    parser.add_argument('--preset', default='psa')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, 16))
    parser.add_argument('--torch', action='store_true', help='also the pure PyTorch version')
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()
    crf = make_crf(args.preset)
    print(crf, f'{args.images} images of {args.size}, {args.workers} processes')
    every = Images(args.images, tuple(args.size), 21)
    present = Images(args.images, tuple(args.size), 0)
    naive, expected = measure(crf, every, 0)
    alone, masks = measure(crf, present, 0)
    pool, _ = measure(crf, present, args.workers)
    same = np.mean([np.mean(a == b) for a, b in zip(expected, masks)])
    print(f'all 21 labels, one process  {naive:7.3f} s per image')
    print(f'classes present only        {alone:7.3f} s  {naive / alone:5.1f}x')
    print(f'the same in the pool        {pool:7.3f} s  {naive / pool:5.1f}x')
    print(f'pixels of equal label       {100 * same:7.2f} %')
    if args.json:
        from common import Row, save
        note = f'{same:.2%} of the pixels equal'
        save([Row('CRF of an image, present classes against 21', naive, alone, note=note),
              Row(f'CRF in a pool of {args.workers} against one by one', naive, pool)], args.json)
    if args.torch:
        options = {key: value for key, value in vars(crf).items() if key != 'device'}
        torch_time, _ = measure(TorchCRF(**options), present, 0)
        print(f'TorchCRF, classes present   {torch_time:7.3f} s')


if __name__ == '__main__':
    main()
