"""PAR against the straightforward formulation by unfolding, in one run, alternating.

    python tools/benchmarks/par.py [--size 160] [--images 4] [--classes 20] [--present 2]

The straightforward one holds the 48 neighbours of all classes at once; ours sums them one after the
other, for the background and the classes that are present.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.models import PAR


def unfolded(x: Tensor, dilations: tuple) -> Tensor:
    """The neighbours of each pixel, ``(N, C, 48, H, W)``."""
    n, c, height, width = x.shape
    found = []
    for dilation in dilations:
        padded = F.pad(x, [dilation] * 4, mode='replicate')
        near = F.unfold(padded, 3, dilation=dilation).view(n, c, 9, height, width)
        found.append(torch.cat([near[:, :, :4], near[:, :, 5:]], 2))
    return torch.cat(found, 2)


def by_unfolding(par: PAR, img: Tensor, scores: Tensor) -> Tensor:
    near = unfolded(img, par.dilations)
    sigma = near.std(2, keepdim=True)
    distance = (near - img[:, :, None]).abs() / (sigma + 1e-8) / par.color_weight
    weights = (-distance.square()).mean(1, keepdim=True).softmax(2) + par.position[:, None]
    for _ in range(par.num_iters):
        scores = (unfolded(scores, par.dilations) * weights).sum(2)
    return scores


def measure(refine, *args) -> tuple[float, Tensor]:
    begin = time.perf_counter()
    out = refine(*args)
    if out.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin, out


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=160)
    parser.add_argument('--images', type=int, default=4)
    parser.add_argument('--classes', type=int, default=20)
    parser.add_argument('--present', type=int, default=2, help='classes of an image')
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()
    torch.manual_seed(0)
    par = PAR().to(args.device)
    img = torch.rand(args.images, 3, args.size, args.size, device=args.device)
    scores = torch.rand(args.images, args.classes + 1, args.size, args.size, device=args.device)
    present = scores[:, :args.present + 1].contiguous()
    times = {'unfold, all classes': [], 'unfold, present classes': [], 'ours, all classes': [],
             'ours, present classes': []}
    for _ in range(args.repeat):
        for name, spent in times.items():
            refine = par if name.startswith('ours') else lambda *maps: by_unfolding(par, *maps)
            seconds, out = measure(refine, img, scores if 'all' in name else present)
            spent.append(seconds)
            if name == 'unfold, all classes':
                expected = out[:, :args.present + 1]
            difference = (out[:, :args.present + 1] - expected).abs().max().item()
            if difference > 1e-4:
                raise AssertionError(f'{name}: the scores differ by {difference}')
    slow = min(times['unfold, all classes'])
    same = min(times['unfold, present classes'])
    print(f'{args.images} images of {args.size}x{args.size} on {args.device}')
    for name, spent in times.items():
        print(f'{name:24} {min(spent):8.3f} s  {slow / min(spent):6.1f}x')
    ours = min(times['ours, present classes'])
    print(f'ratio at equal classes   {same / ours:6.1f}x')
    if args.json:
        from common import Row, save
        size = f'{args.images} images of {args.size} x {args.size}'
        save([Row('PAR against unfolding, present classes', same, ours, note=size),
              Row('PAR, present classes against all unfolded', slow, ours, note=size)], args.json)


if __name__ == '__main__':
    main()
