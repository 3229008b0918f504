"""Time MCTformer's CAM of a batch, beside one image after the other.

    python tools/benchmarks/mctformer_cam.py

The straightforward version is that of the original: every image and every mirror image goes
through the network alone.
"""

import argparse
import sys
import time
from typing import TYPE_CHECKING

from mmwsss.utils.cli import make_parser, run_tool

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def build() -> 'nn.Module':
    """What multi_scale_cam needs of a classifier."""
    from mmwsss.models.backbones import MCTDeiT
    from mmwsss.models.classifiers import CAMNetwork
    from mmwsss.models.heads import MCTHead

    class Network(CAMNetwork):

        def predict_cam(self, images: 'Tensor') -> 'Tensor':
            return self.head.infer_cam(self.extract(images))

    return Network(dict(type=MCTDeiT, num_classes=20), dict(type=MCTHead, num_classes=20))


def one_by_one(network: 'nn.Module', images: 'Tensor', labels: 'Tensor') -> 'Tensor':
    import torch
    cams = []
    for image, label in zip(images, labels):
        straight, mirrored = (
            network.predict_cam(x[None]) for x in (image, image.flip(-1)))
        total = torch.nn.functional.interpolate(
            torch.cat([straight, mirrored]), image.shape[-2:], mode='bilinear')
        total = (total[0] + total[1].flip(-1)) * label[:, None, None]
        cams.append(total / (total.amax((-2, -1), keepdim=True) + 1e-5))
    return torch.stack(cams)


def seconds(function, device: 'torch.device', repeats: int) -> float:
    import torch
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--size', type=int, default=224)
    parser.add_argument('--repeats', type=int, default=3)
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    import torch

    from mmwsss.inference import multi_scale_cam
    torch.set_grad_enabled(False)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    network = build().to(device).eval()
    images = torch.randn(args.batch, 3, args.size, args.size, device=device)
    labels = (torch.rand(args.batch, 20, device=device) < 0.1).float()

    def batched() -> 'Tensor':
        return multi_scale_cam(network, images, labels, scales=(1., ), flip=True)

    assert torch.allclose(batched(), one_by_one(network, images, labels), atol=1e-3)
    ours = seconds(batched, device, args.repeats)
    plain = seconds(lambda: one_by_one(network, images, labels), device, args.repeats)
    print(f'{args.batch} images of {args.size}x{args.size} with flip on {device.type}: batch '
          f'{ours:.2f} s, one by one {plain:.2f} s ({plain / ours:.2f} times as long)')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
