"""Time and memory per step of two networks, against both of them always with gradient.

    python tools/benchmarks/two_networks.py [--system eader rcm_mam] [--device cuda --size 448 ...]

The straightforward version of EADER keeps the graph of both networks in both phases and lets the
adversary's loss run back into the localizer, as the released code does; that of RCM+MAM keeps the
graph of the teacher. Memory on the CPU is what autograd keeps for the backward pass (weights left
out), on a GPU the peak that is allocated beyond the weights. Gradients of the network that is
trained are compared, so both versions are the same training.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress, Views
from mmwsss.models.modules.eader import soft_mask
from mmwsss.structures import WSSSDataSample

CLASSES = 20


def network(depth: int, embed: int = None) -> dict:
    channels = 512 if depth < 50 else 2048
    return dict(
        backbone=dict(type='mmpretrain.ResNet', depth=depth, out_indices=(3, ), style='pytorch'),
        head=dict(type='GAPHead', num_classes=CLASSES, in_channels=channels, embed_channels=embed))


def build(system: str, depth: int) -> WSSSClassifier:
    torch.manual_seed(0)
    if system == 'eader':
        return WSSSClassifier(
            **network(depth), networks=dict(adversary=dict(type='CAMNetwork', **network(18))),
            modules=[dict(type='AdversarialErasing')])
    model = WSSSClassifier(
        **network(depth, 256), teacher=True,
        modules=[dict(type='RegionalContrast'), dict(type='MultiScaleAttention')])
    for part in ('backbone', 'head'):
        getattr(model.teacher, part).load_state_dict(getattr(model, part).state_dict())
    return model


def ours(model: WSSSClassifier, phase: str, images, samples) -> torch.Tensor:
    if phase in ('localizer', 'adversary'):
        for part in (model.backbone, model.head):
            part.requires_grad_(phase == 'localizer')
        model.networks.adversary.requires_grad_(phase == 'adversary')
    return sum(model.loss(dict(image=images), dict(image=samples)).values())


def straightforward_eader(model: WSSSClassifier, phase: str, images, samples) -> torch.Tensor:
    model.requires_grad_(True)
    labels = torch.stack([sample.gt_label for sample in samples])
    module, adversary = model.wsss_modules[0], model.networks.adversary
    output = model.extract(images)
    rows, classes = labels.nonzero(as_tuple=True)
    cam = module.grad_cam.attend(output, labels)[rows, classes]
    cam = F.interpolate(cam[:, None], images.shape[-2:], mode='bilinear')[:, 0]
    cam = cam - cam.amin((1, 2), keepdim=True)
    cam = cam / cam.amax((1, 2), keepdim=True).clamp(min=1e-12)
    logits = adversary(images[rows] * (1 - soft_mask(cam))[:, None]).logits
    if phase == 'adversary':
        return F.binary_cross_entropy_with_logits(logits, labels[rows])
    mined = logits.sigmoid().gather(1, classes[:, None]).mean()
    loss = F.binary_cross_entropy_with_logits(output.logits, labels)
    return loss + module.alpha * mined + module.beta * cam.mean()


class AlwaysGrad(Views):
    """Views that make every pass with gradient."""

    def __call__(self, name, network='student', grad=True, rows=None):
        with torch.enable_grad():
            return super().__call__(name, network, rows=rows)


def straightforward_rcm_mam(model: WSSSClassifier, phase: str, images, samples) -> torch.Tensor:
    model.teacher.requires_grad_(True)
    labels = dict(image=samples)
    views = AlwaysGrad(lambda x, name: model.network(name).extract(x), dict(image=images), labels,
                       model.progress, trained=model.trains)
    model.views = lambda inputs, data_samples: views
    try:
        return sum(model.loss(dict(image=images), labels).values())
    finally:
        del model.views
        model.teacher.requires_grad_(False)


def measure(step, model, phase, images, samples, repeat: int):
    """Median seconds (of processor time on the CPU, which other programs disturb less), bytes
    kept, and the gradient of the network that is trained."""
    trained = model.networks.adversary if phase == 'adversary' else model.backbone
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    cuda = images.is_cuda
    clock = time.perf_counter if cuda else time.process_time
    seconds, kept = [], 0
    for index in range(repeat + 1):  # the first warms up and is measured for memory
        model.zero_grad()
        storages = {}
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()

        def pack(x, storages=storages):
            storage = x.untyped_storage()
            if storage.data_ptr() not in weights:
                storages[storage.data_ptr()] = storage.nbytes()
            return x

        begin = clock()
        if index or cuda:
            loss = step(model, phase, images, samples)
        else:
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
                loss = step(model, phase, images, samples)
        loss.backward()
        if cuda:
            torch.cuda.synchronize()
            if index:
                kept = torch.cuda.max_memory_allocated() - before
        if index:
            seconds.append(clock() - begin)
        elif not cuda:
            kept = sum(storages.values())
    grad = torch.cat([p.grad.flatten() for p in trained.parameters() if p.grad is not None])
    return statistics.median(seconds), kept, grad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--system', nargs='+', default=['eader', 'rcm_mam'])
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--depth', type=int, help='of the ResNet; default 101 on a GPU, else 18')
    parser.add_argument('--size', type=int, help='default 448 on a GPU, else 128')
    parser.add_argument('--batch', type=int, help='default 16 on a GPU, else 4')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()
    gpu = args.device != 'cpu'
    depth = args.depth or (101 if gpu else 18)
    size = args.size or (448 if gpu else 128)
    batch = args.batch or (16 if gpu else 4)
    print(f'ResNet-{depth}, {batch} images of {size}x{size}, {args.device}, '
          f'{torch.get_num_threads()} threads')
    print('system   phase      | straightforward      | ours                 | ratio')
    images = torch.randn(batch, 3, size, size, device=args.device)
    labels = torch.zeros(batch, CLASSES, device=args.device)
    for row in range(batch):  # 1.5 classes per image, as in VOC
        labels[row, [row % CLASSES, (row * (1 + row % 2)) % CLASSES]] = 1
    samples = [WSSSDataSample(gt_label=row) for row in labels]
    rows = []
    for system in args.system:
        for phase in ('localizer', 'adversary') if system == 'eader' else ('student', ):
            results = []
            for step in (globals()[f'straightforward_{system}'], ours):
                model = build(system, depth).to(args.device).train()
                model.set_progress(Progress(phase=phase))
                results.append(measure(step, model, phase, images, samples, args.repeat))
                del model
            (t0, m0, g0), (t1, m1, g1) = results
            error = ((g0 - g1).norm() / g0.norm()).item()
            print(f'{system:8} {phase:10} | {t0:7.3f} s {m0 / 2**20:8.1f} MiB | {t1:7.3f} s '
                  f'{m1 / 2**20:8.1f} MiB | time {t1 / t0:.2f}, memory {m1 / m0:.2f} '
                  f'(gradients differ by {error:.1e})')
            rows.append((f'step of two networks, {system}, {phase}', t0 * 1e3, t1 * 1e3, 'ms',
                         f'memory {m0 / 2**20:.0f} to {m1 / 2**20:.0f} MiB'))
    if args.json:
        from common import Row, save
        save([Row(*row) for row in rows], args.json)


if __name__ == '__main__':
    main()
