"""A training step on a busy machine, with threads that wait passively and with OpenMP's default.

    python tools/benchmarks/busy.py [--busy 2 --threads 2]

Other processes keep ``--busy`` cores at work. A classifier with PAR (many small parallel regions)
is trained in processes of their own, which take turns: OpenMP's waiting policy is read when torch
is loaded. Prints the seconds of a step and their ratio; without busy processes as well.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_cores(count: int):
    """Processes that do nothing but work."""
    workers = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def measure(args) -> None:
    """In a process of its own: print the median seconds of a step."""
    if args.policy == 'default':
        import torch  # before mmwsss, which would set the policy
    import mmwsss  # noqa: F401

    # isort: split
    import torch

    from mmwsss.models.refiners import PAR
    from mmwsss.registry import MODELS
    from mmwsss.utils import register_all_modules
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='ResNet38d', width=(16, 16, 32, 32, 64, 64, 64), frozen_stages=-1, norm_eval=False))
    head = torch.nn.Conv2d(64, 6, 1)
    refine = PAR(num_iters=10)
    images = torch.rand(args.batch, 3, args.size, args.size)
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], lr=1e-3)
    times = []
    for _ in range(args.steps + 2):
        begin = time.perf_counter()
        features = model(images)
        cam = head(features[-1] if isinstance(features, (list, tuple)) else features)
        with torch.no_grad():
            refine(images, torch.nn.functional.interpolate(cam, images.shape[2:]).softmax(1))
        optimizer.zero_grad()
        cam.mean((2, 3)).square().mean().backward()
        optimizer.step()
        times.append(time.perf_counter() - begin)
    print(json.dumps(sorted(times[2:])[args.steps // 2]))


def run(args, policy: str) -> float:
    """Seconds of a step in a fresh process."""
    environment = {key: value for key, value in os.environ.items() if key != 'OMP_WAIT_POLICY'}
    environment.update(OMP_NUM_THREADS=str(args.threads), PYTHONPATH=os.pathsep.join(
        [str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], '--policy', policy], env=environment, check=True,
        stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = os.cpu_count() or 1
    parser.add_argument('--busy', type=int, default=cores, help='cores that other work keeps')
    parser.add_argument('--threads', type=int, default=cores, help='of the training')
    parser.add_argument('--size', type=int, default=64, help='side of the images')
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--steps', type=int, default=9, help='measured steps of a run')
    parser.add_argument('--repeats', type=int, default=2)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    parser.add_argument('--policy', choices=['default', 'passive'], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.policy:
        measure(args)
        return
    rows = []
    for count in (0, args.busy):
        with busy_cores(count):
            times = [(run(args, 'default'), run(args, 'passive')) for _ in range(args.repeats)]
        default, passive = (min(column) for column in zip(*times))
        print(f'{count} busy processes, {args.threads} threads on {cores} cores: default '
              f'{default * 1e3:.0f} ms, passive {passive * 1e3:.0f} ms a step; ratio '
              f'{default / passive:.2f}', flush=True)
        rows.append((count, default, passive))
    if args.json:
        from common import Row, save
        save([Row(f'step beside {count} busy processes, {args.threads} threads: passive waiting',
                  default * 1e3, passive * 1e3, 'ms') for count, default, passive in rows],
             args.json)


if __name__ == '__main__':
    main()
