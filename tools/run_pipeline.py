"""From image labels to a segmentation model, stage by stage.

    python tools/run_pipeline.py configs/demo/ktse_shapes.py
    python tools/run_pipeline.py configs/demo/ktse_shapes.py --seeds 0 1 2 \\
        --stages classify cam mask

Finished stages are skipped, and after an interruption the same command resumes; a changed config
repeats the stages that it concerns and all after them. See mmwsss/pipeline/pipeline.py for the
`pipeline` block of a config.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import add_arguments, at_least, default_work_dir, make_parser, run_tool

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--work-dir', help='default: work_dirs/<name of the config>/pipeline')
    parser.add_argument('--stages', nargs='+', metavar='STAGE',
                        help='only these: prior start classify cam labels affinity mask metrics '
                             "segment, or the config's own")
    parser.add_argument('--seed', type=at_least(0), default=0)
    parser.add_argument('--seeds', type=at_least(0), nargs='+',
                        help='repeat with these seeds; mean and standard deviation at the end')
    parser.add_argument('--no-baseline', action='store_true', help='leave the baseline out')
    parser.add_argument(
        '--supervised', action='store_true',
        help='also train the segmentation model on ground truth (the upper bound, a stage '
             '"supervised" of its own)')
    parser.add_argument('--verify', action='store_true',
                        help='compare the checksums of all files of finished stages')
    parser.add_argument(
        '--amp', action='store_true',
        help='mixed precision in all trainings: float16 on a GPU, bfloat16 on a CPU')
    add_arguments(parser, 'device', 'launcher', 'cfg_options')
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> 'Config':
    """The config file with the command line on top."""
    from mmwsss.inference import read_config
    cfg = read_config(args.config, args.cfg_options)
    if args.no_baseline and 'pipeline' in cfg:
        cfg.pipeline.baseline = None
    if args.supervised:
        add_upper_bound(cfg)
    return cfg


def add_upper_bound(cfg: 'Config') -> None:
    """Give the method, but not its baseline, a stage that segments from ground truth.

    Raises:
        ValueError: The config has no segmentation.
    """
    options = cfg.get('pipeline') or {}
    if not options.get('segment'):
        raise ValueError('--supervised trains the segmentation model of pipeline.segment, but the '
                         'config has none')
    stages, baseline = options.get('stages') or {}, options.get('baseline')
    if baseline:
        baseline = dict(config=baseline) if isinstance(baseline, str) else baseline
        cfg.pipeline.baseline = {'stages': stages, **baseline}
    cfg.pipeline.stages = {**stages, 'supervised': dict(type='SegmentStage', ground_truth=True)}


def run(args: argparse.Namespace) -> None:
    from mmengine.dist import is_main_process

    from mmwsss.pipeline import Pipeline
    from mmwsss.pipeline.report import print_repetition, print_table, write_report
    from mmwsss.utils import setup_launcher
    begin = time.time()
    cfg = load_config(args)
    setup_launcher(cfg, args.launcher)
    work_dir = Path(args.work_dir or Path(default_work_dir(args.config, cfg), 'pipeline'))
    seeds = args.seeds or [args.seed]
    pipelines = [
        Pipeline(load_config(args), work_dir / f'seed_{seed}' if args.seeds else work_dir, seed,
                 args.stages, device=args.device, launch=dict(launcher=args.launcher),
                 amp=args.amp)
        for seed in seeds]
    pipelines[0].check()
    for number, (seed, pipeline) in enumerate(zip(seeds, pipelines), 1):
        if args.seeds and is_main_process():
            print(f'== seed {seed} ({number} of {len(seeds)}) ==', flush=True)
        pipeline.run(check=False, verify=args.verify)
        if is_main_process():
            report = write_report(pipeline)
    if is_main_process():
        print_repetition(pipelines) if args.seeds else print_table(pipelines[0])
        print(f'{(time.time() - begin) / 60:.1f} minutes; report: {report.resolve()}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
