"""Dense squaring of the originals against our sparse random walk, in one run.

    python tools/benchmarks/random_walk.py [--dense-up-to 4800] [--classes 3]

Each measurement runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

SIZES = ((30, 40), (60, 80), (94, 125), (160, 160))  # the last: a 640 x 640 image at stride 4


def dense_psa(scores, features, radius=5, beta=8, log_steps=8):
    """The originals' computation: dense matrix, squared ``log_steps`` times, float32."""
    from mmwsss.models.refiners.pairs import feature_affinity, pair_offsets, shifted
    height, width = features.shape[-2:]
    n = height * width
    pairs = feature_affinity(features[None], radius)[0].flatten(1)
    index = torch.arange(n).view(height, width)
    start = shifted(index, radius).flatten()
    matrix = torch.eye(n)
    for pair, offset in zip(pairs, pair_offsets(radius)):
        end = shifted(index, radius, *offset).flatten()
        matrix[start, end] = pair
        matrix[end, start] = pair
    matrix = matrix.pow_(beta)
    matrix = matrix / matrix.sum(0, keepdim=True)
    for _ in range(log_steps):
        matrix = matrix @ matrix
    return (scores.flatten(1) @ matrix).view_as(scores)


def measure(method: str, height: int, width: int, classes: int, channels: int, repeat: int) -> dict:
    from mmwsss.models.refiners import propagate_irn, propagate_psa
    torch.manual_seed(0)
    scores = torch.rand(classes, height, width)
    features = torch.randn(channels, height, width) if method != 'irn' else None
    edge = torch.rand(height, width)**4
    run = dict(dense=lambda: dense_psa(scores, features),
               psa=lambda: propagate_psa(scores, features),
               irn=lambda: propagate_irn(scores, edge))[method]
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return dict(seconds=min(times), peak_mb=peak)


def spawn(*values) -> dict:
    out = subprocess.run(
        [sys.executable, __file__, '--measure', *map(str, values)], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--dense-up-to', type=int, default=4800, help='largest dense n')
    parser.add_argument('--classes', type=int, default=3, help='background and classes present')
    parser.add_argument('--channels', type=int, default=448, help='channels of the PSA features')
    parser.add_argument('--measure', nargs='+', help=argparse.SUPPRESS)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()
    if args.measure:
        method, numbers = args.measure[0], map(int, args.measure[1:])
        print(json.dumps(measure(method, *numbers)))
        return
    print(f'{torch.get_num_threads()} threads, {args.classes} channels; peak is of the process '
          '(about 300 MB of it are torch)')
    print(f'{"n":>7} {"dense":>10} {"PSA ours":>10} {"ratio":>7} {"IRN ours":>10} '
          f'{"dense MB":>9} {"PSA MB":>7} {"IRN MB":>7}')
    rows = []
    for height, width in SIZES:
        n = height * width
        psa = spawn('psa', height, width, args.classes, args.channels, 3)
        irn = spawn('irn', height, width, args.classes, args.channels, 3)
        dense = None
        if n <= args.dense_up_to:
            dense = spawn('dense', height, width, args.classes, args.channels, 1)
        print(f'{n:>7} '
              + (f'{dense["seconds"]:>9.2f}s' if dense else f'{"-":>10}')
              + f' {psa["seconds"]:>9.3f}s '
              + (f'{dense["seconds"] / psa["seconds"]:>6.0f}x' if dense else f'{"-":>7}')
              + f' {irn["seconds"]:>9.3f}s '
              + (f'{dense["peak_mb"]:>9.0f}' if dense else f'{"-":>9}')
              + f' {psa["peak_mb"]:>7.0f} {irn["peak_mb"]:>7.0f}', flush=True)
        rows.append((n, dense, psa, irn))
    if args.json:
        from common import Row, save
        save([Row(f'random walk, {n:,} pixels', dense and dense['seconds'], psa['seconds'],
                  note=f'IRN {irn["seconds"]:.2f} s; peak {psa["peak_mb"]:.0f} MB'
                       + (f', dense {dense["peak_mb"]:.0f} MB' if dense else ''))
              for n, dense, psa, irn in rows], args.json)


if __name__ == '__main__':
    main()
