"""From a folder of images and their labels to a project that needs no more editing.

    python tools/new_project.py FOLDER LABELS --out my_project
    python tools/run_pipeline.py my_project/classifier.py

LABELS is a table (.csv wide or long, .json, .txt, .npy), an instances file of COCO, or a folder of
VOC's XML, of YOLO's labels, or with one folder of images for each class. The images are checked
first; with something to fix nothing is written (exit code 1). The two configs have sizes, batch
and epochs that fit the images and this machine, and are yours to edit.
"""

import argparse
import shlex
import sys

from mmwsss.utils.cli import at_least, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('folder', help='of the images')
    parser.add_argument('labels', help='label table, or folder of annotations')
    parser.add_argument('--masks', help='folder of <name>.png: ground truth of some images, to '
                        'choose the threshold by and to score')
    parser.add_argument('--classes', nargs='+', help=(
        'all classes in the order of the ids of the masks, or of the indices in the table; '
        'default: that of the table if it has one, else sorted'))
    parser.add_argument('--backbone', help=(
        'efficientnet-lite0, resnet18, resnet50, small, or a model of timm; default: the best '
        'whose weights are there'))
    parser.add_argument('--weights', help=(
        'file of its weights; how to get them: docs/own_data.md#get-initial-weights'))
    parser.add_argument('--out', default='my_project', help='folder of the project')
    parser.add_argument('--num-threads', type=at_least(1), default=4, help='that read the images')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmwsss.apis.project import new_project
    from mmwsss.utils import register_all_modules
    register_all_modules()
    result, config = new_project(args.folder, args.labels, args.out, args.masks, args.classes,
                                 args.backbone, args.weights, args.num_threads)
    print(result.summary())
    if config is None:
        print('nothing written: fix the errors first')
        return 1
    print(f'written: {config} and {config.with_name("segmentation.py")}; now run\n'
          f'  python tools/run_pipeline.py {shlex.quote(str(config))}')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
