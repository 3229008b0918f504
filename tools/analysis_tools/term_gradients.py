"""Which loss pulls how hard, and which way: the gradient of each term of a classifier.

    python tools/analysis_tools/term_gradients.py CONFIG CHECKPOINT [--images 16]

At a checkpoint, on one batch of the training set, with all modules at full weight: the value of
each term, the norm of its gradient in the head and in the backbone, its cosine with the gradient of
the classification loss, and by how many per cent a step of .01 along it changes the mean positive
CAM of the classes present (to first order). A term whose gradient is many times that of the
classification wants a rise (``ramp``) or a lower rate; one that shrinks the CAM at a cosine below
zero works against it. Layers that the checkpoint lacks keep their initial weights.
"""

import argparse
import sys
from typing import Any

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool

LATE = 10**9  # an epoch and step at which all views are there and all modules at full weight


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint', help='weights of this classifier, or of what it starts from')
    parser.add_argument('--images', type=at_least(1), default=16, help='size of the batch')
    parser.add_argument('--seed', type=at_least(0), default=0,
                        help='of images, crops and new layers')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    import torch
    from mmengine.dataset import pseudo_collate
    from mmengine.runner import set_random_seed

    from mmwsss.datasets.samplers import EpochIndex
    from mmwsss.inference import read_config
    from mmwsss.inference.model import load_weights
    from mmwsss.registry import DATASETS, MODELS

    set_random_seed(args.seed)
    cfg = read_config(args.config, args.cfg_options)
    model = MODELS.build(cfg.model)
    missing = load_weights(model, args.checkpoint, partial=True)
    if missing:
        print(f'not in the checkpoint: {", ".join(missing)}')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    picked = torch.randperm(len(dataset))[:args.images].tolist()
    samples = [dataset[EpochIndex(i, LATE)] for i in picked]
    batch = model.data_preprocessor(pseudo_collate(samples), training=True)
    print(f'{"term":<24}{"value":>9}{"head":>9}{"backbone":>9}{"cosine":>9}{"CAM, %":>9}')
    for name, (value, head, backbone, cosine, change) in measure(model, batch).items():
        print(f'{name:<24}{value:9.4f}{head:9.3f}{backbone:9.3f}{cosine:9.2f}{100 * change:9.2f}')


def measure(model: Any, batch: dict, step: float = 0.01) -> dict[str, tuple[float, ...]]:
    """The terms of a classifier on a batch.

    Args:
        model: :class:`WSSSClassifier`.
        batch: What its data preprocessor gave.
        step: Length of the step, times the gradient.

    Returns:
        By term: value, norm of the gradient in the head, that in the other layers, cosine with the
        gradient of ``loss_cls``, and the relative change of the mean positive CAM of present
        classes by one step down the gradient.
    """
    import torch

    from mmwsss.models.classifiers import Progress
    model.train()
    model.set_progress(Progress(epoch=LATE, iter=LATE))
    losses = model.loss(**batch)
    labels = torch.stack([sample.gt_label for sample in batch['data_samples']['image']])
    positive = model.extract(batch['inputs']['image']).cam.relu().mean((2, 3))[labels > 0].mean()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    head = torch.tensor([name.startswith('head.') for name in weights])

    def gradient(value: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(value, list(weights.values()), retain_graph=True,
                                        allow_unused=True, materialize_grads=True))

    def dot(a: list[torch.Tensor], b: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack([(x * y).sum() for x, y in zip(a, b)])  # by layer

    classification, cam = gradient(losses['loss_cls']), gradient(positive)
    length = dot(classification, classification).sum().sqrt()
    rows = {}
    for name, value in losses.items():
        if 'loss' in name and value.requires_grad:
            down = gradient(value)
            squares = dot(down, down)
            norms = squares.sum().sqrt() * length
            change = -step * dot(down, cam).sum() / positive.detach()
            rows[name] = tuple(float(x) for x in (
                value.detach(), squares[head].sum().sqrt(), squares[~head].sum().sqrt(),
                dot(down, classification).sum() / norms, change))
    return rows


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
