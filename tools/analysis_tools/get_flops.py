"""Operations and parameters of the network of a config, classifier or segmentation model.

    python tools/analysis_tools/get_flops.py CONFIG [--size 512 512] [--table]

Counted by mmengine on one image at one scale: a multiplication and an addition are one operation;
element-wise functions are not counted. The parameters of a teacher and other networks beside the
student are, their operations (training only) are not. A CAM by gradients is left out.
"""

import argparse
import logging
import os
import sys

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import DictAction

from mmwsss.apis.deploy import deployed
from mmwsss.inference import load_model, read_config
from mmwsss.utils import friendly_errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--size', type=int, nargs=2, default=(512, 512), metavar=('H', 'W'))
    parser.add_argument('--table', action='store_true', help='also of each module')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        metavar='KEY=VALUE')
    args = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        cfg = read_config(args.config)
        cfg.merge_from_dict(args.cfg_options)
        cfg.model.pop('cam', None)
        network = deployed(load_model(cfg, device='cpu'))
        logging.disable(logging.WARNING)  # a line for each kind of function that is not counted
        info = get_model_complexity_info(
            network, inputs=torch.rand(1, 3, *args.size), show_table=args.table, show_arch=False)
        if args.table:
            print(info['out_table'])
        print(f'image: {args.size[0]} x {args.size[1]}\noperations: {info["flops_str"]}\n'
              f'parameters: {info["params_str"]}')


if __name__ == '__main__':
    main()
