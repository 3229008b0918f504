"""Kill a pipeline again and again, and compare what it leaves with a run that was never killed.

    python tools/soak.py --kills 200
    python tools/soak.py --kills 12 --kinds plain segment --seed 1
    python tools/soak.py --kills 20 --kinds segment --signals INT TERM

Each kind of pipeline (drawn images of 48 pixels, networks of 8 channels) runs once to its end. Then
it runs in a fresh work dir, or in one that another seed has finished, is killed with SIGKILL,
started again by the same command, killed again ..., and at last left to end. Half of the kills come
at a random moment, half right before a random rename or removal of a file (MMWSSS_KILL_AT). All
files must then be those of the first run, bit for bit, with no temporary file and no lock left.

Checkpoints hold times, so of them the tensors are compared; logs are left out. Ends with status 1
at the first difference, whose work dir is kept. Runs are forks of this process: imports are paid
once. `two` is `plain` on two processes over gloo: one of them is killed, then the other is ended by
SIGTERM, as torchrun does. With `--signals INT TERM` the runs are stopped by Ctrl-C and SIGTERM;
each must end with status 130 or 143 and its one line, and leave no temporary file and no lock.
"""

import argparse
import json
import os
import random
import re
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')  # before torch: forks cannot share its threads

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import matplotlib.backends.backend_agg  # noqa: F401 - the visualizer's
import torch

from mmwsss.pipeline.stage import LOGS, TEMPORARY
from mmwsss.utils import io, load_checkpoint_safely
from mmwsss.utils.setup_env import register_all_modules

RUN_PIPELINE = str(Path(__file__).with_name('run_pipeline.py'))
KINDS = ('plain', 'prior', 'affinity', 'segment', 'two')

NETWORK = '''
default_scope = 'mmwsss'
backbone = dict(
    type='mmseg.ResNet', depth=18, num_stages=1, stem_channels=8, base_channels=8, strides=(1, ),
    dilations=(1, ), out_indices=(0, ))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
'''
CLASSIFY = NETWORK + '''
def loader(split, num, pipeline, **kwargs):
    return dict(
        batch_size=4, num_workers=0, collate_fn=dict(type='pseudo_collate'),
        sampler=dict(type='EpochSampler', shuffle=split == 'train'),
        dataset=dict(
            type='ShapesDataset', data_root=ROOT, split=split, num_images=8, image_size=48,
            pipeline=[dict(type='LoadImage'), *pipeline, dict(type='PackWSSSInputs')], **kwargs))

model = dict(
    type='WSSSClassifier', backbone=backbone,
    head=dict(type='GAPHead', num_classes=6, in_channels=8))
crop = dict(type='RandomPadCrop', size=32)
train_dataloader = loader('train', 8, [crop])
val_dataloader = loader('val', 4, [dict(type='LoadMask')])
train_cfg = dict(type='WSSSTrainLoop', max_epochs=3)
default_hooks = dict(checkpoint=dict(type='WSSSCheckpointHook', interval=1, max_keep_ckpts=1))
pipeline = dict(
    cam=dict(scales=(1., ), flip=False, batch_size=2, num_workers=0),
    mask=dict(type='ThresholdMask', bg='oracle', num_workers=0), report=dict(images=1))
'''
AFFINITY = CLASSIFY + '''
model = dict(type='AffinityNet', backbone=backbone, in_channels=(8, ), channels=(8, ), radius=3)
train_dataloader = loader(
    'train', 8, [dict(type='LoadAffinityScores'), crop, dict(type='AffinityLabels', stride=4)],
    prior_dir='nowhere', prior_suffix='.npz')
val_dataloader = None
del pipeline
'''
SEGMENT = NETWORK + '''
load = [dict(type='LoadImageFromFile'), dict(type='LoadPseudoMask')]
pack = dict(type='mmseg.PackSegInputs')

def loader(split, pipeline, **kwargs):
    return dict(
        batch_size=2, num_workers=0, sampler=dict(type='EpochSampler', shuffle=split == 'train'),
        dataset=dict(
            type='PseudoMaskDataset', data_root=ROOT, mask_classes='ShapesDataset',
            ann_file=f'ImageSets/Segmentation/{split}.txt', pipeline=pipeline, **kwargs))

model = dict(
    type='MSCEncoderDecoder', backbone=backbone,
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(48, 48),
        seg_pad_val=255),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=8, in_index=0, num_classes=7, dilations=(1, 2)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_dataloader = loader(
    'train', [*load, dict(type='mmseg.RandomCrop', crop_size=(32, 32)),
              dict(type='mmseg.RandomFlip', prob=0.5),
              dict(type='mmseg.PhotoMetricDistortion'), pack])
test_dataloader = loader('val', [*load, pack], test_mode=True)
test_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_cfg = dict(type='TestLoop')
train_cfg = dict(type='WSSSTrainLoop', max_iters=6)
default_hooks = dict(checkpoint=dict(
    type='WSSSCheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
'''
BLOCKS = dict(
    plain='', two='',
    prior="\npipeline.update(prior=FOLDER + '/plain.py')\ntrain_cfg = dict(train_cfg, max_epochs=2)"
          "\ntrain_dataloader['dataset'].update(prior_dir='nowhere')",
    affinity="\npipeline.update(affinity=dict(config=FOLDER + '/affinity_net.py', labels=dict("
             "type='AffinityScores', low=4, high=32)),\n    mask=dict(type='PSAMask', alpha=6, "
             'log_steps=2, radius=3, num_workers=0))',
    segment="\npipeline.update(segment=dict(config=FOLDER + '/segment_net.py'))")


def write_configs(folder: Path) -> None:
    head = f'FOLDER = {str(folder)!r}\nROOT = {str(folder / "shapes")!r}\n'
    configs = {'affinity_net': AFFINITY, 'segment_net': SEGMENT,
               **{kind: CLASSIFY + block for kind, block in BLOCKS.items()}}
    for name, text in configs.items():
        (folder / f'{name}.py').write_text(head + text)


def child(arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    """Run tools/run_pipeline.py in this fork, and end it."""
    code = 0
    try:
        os.environ.update(environment)
        io._operations = 0
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = [RUN_PIPELINE, *arguments]
        runpy.run_path(RUN_PIPELINE, run_name='__main__')
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    if 'SOAK_COUNT' in environment:
        Path(environment['SOAK_COUNT']).write_text(str(io._operations))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Soak:
    """The runs of one kind of pipeline.

    Args:
        kind: One of ``KINDS``.
        folder: Of configs, data, logs and work dirs.
        rng: Draws the kills.
        signals: What the runs are stopped by.
    """

    def __init__(self, kind: str, folder: Path, rng: random.Random, signals: list[str]):
        self.kind, self.folder, self.rng, self.signals = kind, folder, rng, signals
        self.ranks = 2 if kind == 'two' else 1
        self.log = folder / f'{kind}.log'
        self.reference, self.other = folder / f'{kind}_whole', folder / f'{kind}_other'

    def start(self, work_dir: Path, seed: int = 0, **environment: str) -> list[int]:
        """Start the processes of a run; an environment is that of one of them."""
        arguments = [str(self.folder / f'{self.kind}.py'), '--work-dir', str(work_dir),
                     '--seed', str(seed), '--device', 'cpu']
        common = {}
        if self.ranks > 1:
            arguments += ['--launcher', 'pytorch']
            with socket.socket() as free:
                free.bind(('127.0.0.1', 0))
                common = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free.getsockname()[1]),
                              WORLD_SIZE=str(self.ranks))
        chosen, pids = self.rng.randrange(self.ranks) if environment else 0, []
        sys.stdout.flush()
        for rank in range(self.ranks):
            pid = os.fork()
            if not pid:
                mine = dict(common, RANK=str(rank), LOCAL_RANK=str(rank)) if common else {}
                child(arguments, self.log.with_suffix(f'.{rank}.log'),
                      {**mine, **(environment if rank == chosen else {})})
            pids.append(pid)
        return pids

    def wait(self, pids: list[int], seconds: float | None = None) -> list[int]:
        """Exit status of each process; a negative one is a signal. The first that ends badly ends
        the others, and so does the time: one, by a signal."""
        limit = time.monotonic() + (seconds if seconds is not None else 300)
        running, codes = list(pids), {}
        while running:
            for pid in list(running):
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    status = os.waitpid(pid, 0)[1]
                    codes[pid] = os.waitstatus_to_exitcode(status)
                    running.remove(pid)
                    if codes[pid] and running:
                        for other in running:
                            os.kill(other, signal.SIGTERM)
                        limit = min(limit, time.monotonic() + 5)
            if running and time.monotonic() > limit:
                os.kill(self.rng.choice(running),
                        getattr(signal, f'SIG{self.rng.choice(self.signals)}'))
                limit = time.monotonic() + (5 if 'KILL' in self.signals else 60)
            time.sleep(0.005)
        return [codes[pid] for pid in pids]

    def finish(self, work_dir: Path, seed: int = 0, **environment: str) -> None:
        """A run that must end well."""
        codes = self.wait(self.start(work_dir, seed, **environment))
        if any(codes):
            tail = '\n'.join(path.read_text()[-1500:] for path in self.logs())
            raise AssertionError(f'{self.kind}: a run in {work_dir} ended with {codes}\n{tail}')

    def logs(self) -> list[Path]:
        return [self.log.with_suffix(f'.{rank}.log') for rank in range(self.ranks)]

    def prepare(self) -> None:
        """The run that is never killed, its time and number of renames and removals."""
        count = self.folder / f'{self.kind}.count'
        begin = time.monotonic()
        self.finish(self.reference, SOAK_COUNT=str(count))
        self.seconds = time.monotonic() - begin
        self.operations = int(count.read_text())
        self.finish(self.other, seed=1)
        self.contents = contents(self.reference)

    def life(self, kills: int) -> int:
        """One work dir from its first run to its last.

        Args:
            kills: How many times the run is killed at most.

        Returns:
            How often it was killed.

        Raises:
            AssertionError: A run fails, or leaves other files.
        """
        work_dir, killed = self.folder / f'{self.kind}_killed', 0
        if work_dir.exists():
            shutil.rmtree(work_dir)
        if self.rng.random() < 0.4:  # all its stages are to be emptied and made again
            shutil.copytree(self.other, work_dir)
        while killed < kills:
            if self.signals == ['KILL'] and self.rng.random() < 0.5:
                at = str(self.rng.randint(1, self.operations))
                codes = self.wait(self.start(work_dir, MMWSSS_KILL_AT=at))
            else:
                # Before the command line is read, signals do what they always do.
                first = 0 if self.signals == ['KILL'] else min(1., self.seconds / 4)
                codes = self.wait(self.start(work_dir), self.rng.uniform(first, self.seconds))
            if {130, 143} & set(codes) and -signal.SIGKILL not in codes:
                contents(work_dir)
                text = self.logs()[0].read_text()
                if 'stopped by ' not in text or 'Traceback' in text:
                    raise AssertionError(f'{self.kind}: no single line\n{text[-3000:]}')
            elif -signal.SIGKILL not in codes:
                if any(codes):
                    raise AssertionError(f'{self.kind}: a run in {work_dir} ended with {codes}; '
                                         f'see {self.log.parent}')
                break  # it came to its end before
            killed += 1
        self.finish(work_dir)
        compare(self.contents, contents(work_dir), f'{self.kind}, after {killed} kills, {work_dir}')
        return killed


def contents(work_dir: Path) -> dict[str, object]:
    """What is compared of each file below a work dir.

    Raises:
        AssertionError: A temporary file or a lock is there.
    """
    found = {}
    for path in sorted(work_dir.rglob('*')):
        name = str(path.relative_to(work_dir))
        if TEMPORARY.fullmatch(path.name) or path.name == '.lock':
            raise AssertionError(f'left over: {path}')
        if path.is_dir() or path.suffix in ('.log', '.py') or any(
                LOGS.fullmatch(part) for part in path.parts):
            continue
        if path.suffix == '.pth':
            checkpoint = load_checkpoint_safely(path)
            found[name] = {key: checkpoint.get(key)
                           for key in ('state_dict', 'optimizer', 'param_schedulers')}
        elif path.name == 'done.json':  # without its seconds
            record = json.loads(path.read_text())
            found[name] = [record['fingerprint'], record['result']]
        elif path.name == 'stage.json':  # its settings may name the work dir
            found[name] = json.loads(path.read_text())['fingerprint']
        elif path.name == 'files.json':  # without checkpoints, which hold times, and their path
            found[name] = {key: value for key, value in json.loads(path.read_text()).items()
                           if not key.endswith(('.pth', 'last_checkpoint', 'settings.json'))}
        elif path.name == 'settings.json':  # likewise
            found[name] = json.loads(path.read_text())
            found[name]['refiner'].pop('checkpoint', None)
        elif path.name == 'last_checkpoint':
            found[name] = Path(path.read_text()).name
        elif path.name == 'run.json':  # without the work dir, which its config names
            found[name] = {key: json.loads(path.read_text())[key] for key in ('file', 'seed')}
        elif path.name == 'runs.json':  # without date, seconds, memory and command
            found[name] = [{key: run[key] for key in ('columns', 'figures', 'charts', 'images')}
                           for run in json.loads(path.read_text())]
        elif path.name == 'index.html':  # likewise
            found[name] = re.findall(r'<figure>.*?</figure>', path.read_text(), re.S)
        else:
            found[name] = path.read_bytes()
    return found


def compare(one: dict, two: dict, where: str) -> None:
    """Raises:
        AssertionError: Names the first difference.
    """
    different = sorted(set(one) ^ set(two)) or [
        name for name in one if not equal(one[name], two[name])]
    if different:
        raise AssertionError(f'{where}: {different[:5]} differ from a run never killed')


def equal(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(equal, one, two))
    return one == two


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=200, help='in all (default: 200)')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS)
    parser.add_argument('--lives', type=int, default=6,
                        help='kills of one work dir at most (default: 6)')
    parser.add_argument('--signals', nargs='+', choices=('KILL', 'INT', 'TERM'),
                        default=['KILL'], help='what stops the runs (default: KILL)')
    parser.add_argument('--seed', type=int, default=0, help='of the kills')
    parser.add_argument('--work-dir', help='default: a temporary folder, removed at a good end')
    args = parser.parse_args()
    register_all_modules()
    torch.set_num_threads(1)
    folder = Path(args.work_dir or tempfile.mkdtemp(prefix='soak_')).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_configs(folder)
    rng, begin = random.Random(args.seed), time.time()
    soaks = [Soak(kind, folder, rng, args.signals) for kind in args.kinds]
    killed, ended = dict.fromkeys(args.kinds, 0), 0
    try:
        for soak in soaks:
            soak.prepare()
            print(f'{soak.kind}: {soak.seconds:.1f} s, {soak.operations} renames and removals, '
                  f'{len(soak.contents)} files', flush=True)
        while sum(killed.values()) < args.kills:
            soak = min(soaks, key=lambda soak: killed[soak.kind])
            rest = args.kills - sum(killed.values())
            killed[soak.kind] += soak.life(rng.randint(1, min(args.lives, rest)))
            ended += 1
            print(f'{sum(killed.values())} kills, {ended} runs ended as if never killed '
                  f'({killed})', flush=True)
    except AssertionError as error:
        print(f'FAILED: {error}\nfiles: {folder}', flush=True)
        return 1
    print(f'{sum(killed.values())} kills in {ended} work dirs, every one ended bit for bit as if '
          f'never killed: {killed}, {(time.time() - begin) / 60:.1f} minutes')
    if not args.work_dir:
        shutil.rmtree(folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
