"""Time MCTformer's CAM of a batch, beside one image after the other.

    python tools/benchmarks/mctformer_cam.py

The straightforward version is that of the original: every image and every mirror image goes
through the network alone.
"""

import argparse
import time

import torch

from mmwsss.inference import multi_scale_cam
from mmwsss.models.backbones import MCTDeiT
from mmwsss.models.classifiers import CAMNetwork
from mmwsss.models.heads import MCTHead


class Network(CAMNetwork):
    """What multi_scale_cam needs of a classifier."""

    def predict_cam(self, images: torch.Tensor) -> torch.Tensor:
        return self.head.infer_cam(self.extract(images))


def one_by_one(network: Network, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    cams = []
    for image, label in zip(images, labels):
        straight, mirrored = (
            network.predict_cam(x[None]) for x in (image, image.flip(-1)))
        total = torch.nn.functional.interpolate(
            torch.cat([straight, mirrored]), image.shape[-2:], mode='bilinear')
        total = (total[0] + total[1].flip(-1)) * label[:, None, None]
        cams.append(total / (total.amax((-2, -1), keepdim=True) + 1e-5))
    return torch.stack(cams)


def seconds(function, device: torch.device, repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--size', type=int, default=224)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()

    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    network = Network(
        dict(type=MCTDeiT, num_classes=20), dict(type=MCTHead, num_classes=20)).to(device).eval()
    images = torch.randn(args.batch, 3, args.size, args.size, device=device)
    labels = (torch.rand(args.batch, 20, device=device) < 0.1).float()

    def batched() -> torch.Tensor:
        return multi_scale_cam(network, images, labels, scales=(1., ), flip=True)

    assert torch.allclose(batched(), one_by_one(network, images, labels), atol=1e-3)
    ours = seconds(batched, device, args.repeats)
    plain = seconds(lambda: one_by_one(network, images, labels), device, args.repeats)
    print(f'{args.batch} images of {args.size}x{args.size} with flip on {device.type}: batch '
          f'{ours:.2f} s, one by one {plain:.2f} s ({plain / ours:.2f} times as long)')
    if args.json:
        from common import Row, save
        save([Row(f"MCTformer's CAM, batch of {args.batch} against one by one", plain, ours)],
             args.json)


if __name__ == '__main__':
    main()
