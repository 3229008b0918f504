"""metafile.yml of every method, model-index.yml and docs/method_zoo.md, from configs and tables.

    python tools/analysis_tools/make_metafiles.py           # write what has changed
    python tools/analysis_tools/make_metafiles.py --check   # only say what has changed; status 1

Published figures are those of configs/tables/*.py, our own those of configs/tables/measured.json: a
list of records with config, method (folder), row, data, date, seeds, command and figures
(split -> figure -> mean and standard deviation, in percent).
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from mmwsss.utils.cli import make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.pipeline.tables import Row, Table

ROOT = Path(__file__).parents[2]
DATA_NAMES = dict(voc='VOC 2012', coco='COCO 2014', shapes='Shapes', voc6='voc6')
# Titles, by folder of the configs, in the order of the zoo.
METHODS = dict(
    ktse=('KTSE', 'Knowledge Transfer with Simulated Inter-Image Erasing for Weakly Supervised '
          'Semantic Segmentation', 'ECCV 2024'),
    eader=('EADER', 'Find it if You Can: End-to-End Adversarial Erasing for Weakly-Supervised '
           'Semantic Segmentation', '2020'),
    rcm_mam=('RCM + MAM', 'Exploring Pixel-level Self-supervision for Weakly Supervised Semantic '
             'Segmentation', 'arXiv 2112.05351'),
    fsae=('FSAE', 'Feature-Level and Spatial-Level Activation Expansion for Weakly-Supervised '
          'Semantic Segmentation', 'WACV 2025'),
    csd=('CSD', 'Cross-domain Semantic Decoupling for Weakly-Supervised Semantic Segmentation',
         'BMVC 2023'),
    aeft=('AEFT', 'Adversarial Erasing Framework via Triplet with Gated Pyramid Pooling Layer for '
          'Weakly Supervised Semantic Segmentation', 'ECCV 2022'),
    psa=('PSA', 'Learning Pixel-level Semantic Affinity with Image-level Supervision for Weakly '
         'Supervised Semantic Segmentation', 'CVPR 2018'),
    irn=('IRN', 'Weakly Supervised Learning of Instance Segmentation with Inter-pixel Relations',
         'CVPR 2019'),
    seam=('SEAM', 'Self-supervised Equivariant Attention Mechanism for Weakly Supervised Semantic '
          'Segmentation', 'CVPR 2020'),
    ppc=('PPC', 'Weakly Supervised Semantic Segmentation by Pixel-to-Prototype Contrast',
         'CVPR 2022'),
    eps=('EPS', 'Railroad is not a Train: Saliency as Pseudo-pixel Supervision for Weakly '
         'Supervised Semantic Segmentation', 'CVPR 2021'),
    sipe=('SIPE', 'Self-supervised Image-specific Prototype Exploration for Weakly Supervised '
          'Semantic Segmentation', 'CVPR 2022'),
    mctformer=('MCTformer', 'Multi-class Token Transformer for Weakly Supervised Semantic '
               'Segmentation', 'CVPR 2022'),
    beco=('BECO', 'Boundary-enhanced Co-training for Weakly Supervised Semantic Segmentation',
          'CVPR 2023'),
    deeplab=('DeepLab', 'DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous '
             'Convolution, and Fully Connected CRFs', 'TPAMI 2018'))


class Published(NamedTuple):
    """What one table says of one config."""

    table: 'Table'
    row: 'Row'
    data: str

    @property
    def figures(self) -> dict[str, tuple[float, float | None]]:
        """Figures by heading; the split is named where the heading does not."""
        found = {}
        for column in self.table.columns:
            if column.key in self.row.published and column.options[self.data] is not None:
                title = column.title
                if column.split not in title:
                    title += f' {column.split}'
                found[title] = self.row.published[column.key]
        return found


def read_tables(root: Path) -> 'list[Table]':
    """All tables; those of the papers before that of the bases."""
    files = sorted(root.glob('configs/tables/*.py'), key=lambda path: [
        path.stem == 'bases',
        *(int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.stem))])
    from mmwsss.pipeline.tables import Table
    return [Table(file) for file in files]


def published_by_config(tables: 'Sequence[Table]') -> dict[str, list[Published]]:
    """What the tables publish of each config as it stands: rows that change the model or the CAMs
    by options are left out."""
    found: dict[str, list[Published]] = {}
    for table in tables:
        for row in table.rows:
            for data in ('voc', 'coco'):
                if data not in row.configs or not row.published:
                    continue
                config, options, modules = row.configs[data]
                changed = any(key.startswith(('model.', 'pipeline.cam')) for key in options)
                if not changed and modules is None:
                    found.setdefault(config, []).append(Published(table, row, data))
    return found


def without_repeats(items: Sequence[Published]) -> list[tuple[Published, dict]]:
    """Each with the figures that no former one has."""
    seen: set = set()
    kept = []
    for item in items:
        new = {key: value for key, value in item.figures.items()
               if (key, value[0]) not in seen}
        seen |= {(key, value[0]) for key, value in new.items()}
        if new:
            kept.append((item, new))
    return kept


def describe(path: Path) -> str:
    """The first sentence of a config's comment."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith('#'):
            break
        lines.append(line.lstrip('# ').strip())
    text = ' '.join(lines)
    return re.split(r'\.(?=\s+[A-Z`]|$)', text)[0].rstrip('.:')


def configs_of(root: Path, folder: str) -> list[Path]:
    """The configs of a method."""
    return sorted((root / 'configs' / folder).glob('*.py'))


def text_of(value: Sequence) -> str:
    """``43.89 ± 0.4`` or ``67.0``: one digit at least, two where there are two."""
    numbers = [re.sub('0$', '', f'{number:.2f}') for number in value if number is not None]
    return ' ± '.join(numbers)


# -- metafiles -------------------------------------------------------------------------------------
def metafile(root: Path, folder: str, published: Mapping[str, list[Published]],
             measured: Sequence[Mapping]) -> str:
    """The metafile of a method."""
    name, title, venue = METHODS[folder]
    collection = dict(Name=name, Paper=dict(Title=title, Venue=venue),
                      Metadata={'Training Data': ['VOC 2012', 'COCO 2014']})
    models = []
    for path in configs_of(root, folder):
        config = str(path.relative_to(root))
        results = [dict(
            Task='Weakly Supervised Semantic Segmentation',
            Dataset=DATA_NAMES[item.data],
            Metrics={key: text_of(value) if value[1] is not None else value[0]
                     for key, value in figures.items()},
            Origin=f'published: {item.table.title}, row "{item.row.name}"')
            for item, figures in without_repeats(published.get(config, []))]
        models.append(_model(f'{folder}/{path.stem}', name, config, describe(path), results))
    for record in measured:
        if record['method'] == folder:
            results = [dict(
                Task='Weakly Supervised Semantic Segmentation',
                Dataset=DATA_NAMES[record['data']],
                Metrics={f'{key} {split}': text_of(value)
                         for split, values in record['figures'].items()
                         for key, value in values.items()},
                Origin=f'measured {record["date"]}, seeds '
                       f'{", ".join(map(str, record["seeds"]))}: {record["command"]}')]
            models.append(_model(f'{Path(record["config"]).stem} in {folder}', name,
                                 record['config'], record['row'], results))
    return ('# Written by tools/analysis_tools/make_metafiles.py from configs and configs/tables.\n'
            + yaml.safe_dump(
                dict(Collections=[collection], Models=models), sort_keys=False, width=100,
                allow_unicode=True))


def _model(name: str, collection: str, config: str, text: str, results: list) -> dict[str, Any]:
    model: dict[str, Any] = {'Name': name, 'In Collection': collection, 'Config': config,
                             'Description': text}
    if results:
        model['Results'] = results
    return model


# -- the zoo ---------------------------------------------------------------------------------------
INTRO = '''# Method zoo

Find a config here, with the figures that its paper publishes, and the command that runs a paper's
table. This page is written by `python tools/analysis_tools/make_metafiles.py`; do not edit it.

- **Published** figures are mIoU in percent unless the heading of a figure says otherwise. *Seed*:
  CAM at its best threshold on VOC `train` (1,464 images). *Mask*: after refinement, same images.
  *val*, *test*: the segmentation model. Tables of different papers do not agree on common baselines
  (SIPE's mask is 64.7 in one and 69.3 in another), so compare within a table only.
- The numbers of some tables are our reading; the file of a table says so.
- **Ours on VOC and COCO**: not measured (n. m.), for every row. It takes ImageNet weights, the data
  sets and days of GPU that were not at hand. Where the settings come from:
  [reproduce.md](reproduce.md). What has been measured: [the end of this page](#measured-by-us).
'''
BASES_NOTE = '''SIPE's mask is the one that CSD lists (IRN); FSAE lists 64.7 (CRF).
On COCO, where nothing else is said, the settings are those of VOC.
'''
TABLES = '''## Run a table of a paper

Each table and figure of the papers is a file in `configs/tables` and one command. It runs what is
missing, shares what rows have in common, resumes after an interruption, and ends with the paper's
figures beside ours (terminal, Markdown, CSV, JSON, a page with images):

<!-- needs: minutes -->
```shell
python tools/reproduce.py configs/tables/ktse_table7.py --data shapes --seeds 0 1 2
python tools/reproduce.py configs/tables/ktse_table7.py --data shapes --seeds 0 1 2 --jobs 2
python tools/reproduce.py configs/tables/ktse_table7.py --launcher slurm --slurm-args="--gres=gpu:1"
python tools/reproduce.py configs/tables/ktse_table7.py --collect
```

`--data` is `voc` (default), `coco`, `shapes` or `voc6`; `--rows` and `--stages` choose a part;
`--cfg-options` change every row. All tables share their stages:
`work_dirs/tables/store/<stage>-<fingerprint>`.
Any runs side by side, and scores of each image:

<!-- needs: minutes -->
```shell
python tools/analysis_tools/compare.py RUN RUN --images NAME NAME --scores scores.csv
```

| table | what | data |
|---|---|---|
'''
MEASURED = '''## Measured by us

On data of our own protocols, small enough for a CPU. These figures are ours alone; put none of them
beside a published one.

**Six animals of VOC, real images** (voc6): figures, commands and times are in
[projects/voc_animals](../projects/voc_animals/README.md).

**Shapes, drawn images** (400 for training, 100 in `val`): mIoU in percent, mean ± standard
deviation over the seeds. *Held-out*: at the threshold of a held-out half. *Mask*: in the first two
rows by CRF at the threshold of the seeds, of SIPE by CRF at its own background, in all others at
the threshold that is best for refined masks, by PAR or, of RCM + MAM, CRF. PPC with EPS has
saliency maps, which the others do not.

| row | config | train seed | train held-out | train mask | val seed | val mask | seeds, date |
|---|---|---|---|---|---|---|---|
'''


def zoo(root: Path, tables: 'Sequence[Table]', published: Mapping[str, list[Published]],
        measured: Sequence[Mapping]) -> str:
    """The page of all configs."""
    parts = [INTRO]
    for folder, (name, title, venue) in METHODS.items():
        parts.append(f'\n## {name}\n\n*{title}* ({venue}).')
        if folder == 'sipe':
            parts.append(BASES_NOTE.strip())
        parts.append('\n| config | what | published |\n|---|---|---|')
        for path in configs_of(root, folder):
            config = str(path.relative_to(root))
            texts = []
            for item, figures in without_repeats(published.get(config, [])):
                values = ', '.join(f'{key} {text_of(value)}' for key, value in figures.items())
                texts.append(f'{values} ([{_label(item.table)}]'
                             f'(../configs/tables/{item.table.name}.py))')
            what = describe(path).replace('|', '\\|')
            parts.append(f'| [{path.stem}](../{config}) | {what} | {"; ".join(texts) or "–"} |')
    parts.append('\n' + TABLES.rstrip('\n'))
    for table in tables:
        data = ', '.join(sorted({key for row in table.rows for key in row.configs}))
        parts.append(f'| [{table.name}](../configs/tables/{table.name}.py) | {table.title} | '
                     f'{data} |')
    parts.append('\n' + MEASURED.rstrip('\n'))
    for record in measured:
        figures = record['figures']
        cells = [text_of(figures[split][key]) if key in figures.get(split, {}) else '–'
                 for split, key in (('train', 'seed'), ('train', 'held_out'), ('train', 'mask'),
                                    ('val', 'seed'), ('val', 'mask'))]
        seeds = ', '.join(map(str, record['seeds']))
        parts.append(f'| {record["row"]} | [{Path(record["config"]).stem}](../{record["config"]}) '
                     f'| {" | ".join(cells)} | {seeds}; {record["date"]} |')
    commands = list(dict.fromkeys(record['command'] for record in measured))
    parts += ['\nThe commands:\n', '<!-- needs: minutes -->', '```shell', *commands, '```']
    parts.append('\nWhether the orders of the papers show on Shapes: '
                 '[tables_shapes.md](tables_shapes.md).')
    return '\n'.join(parts) + '\n'


def _label(table: 'Table') -> str:
    return table.name if table.kind == 'figure' or table.paper == 'bases' else (
        table.title.split(':')[0])


# -- files -----------------------------------------------------------------------------------------
def all_files(root: Path) -> dict[Path, str]:
    """Every file that this tool writes, with its text.

    Raises:
        ValueError: A folder of configs is no known method, or a measured record names no config.
    """
    folders = {path.parent.name for path in root.glob('configs/*/*.py')} - {
        '_base_', 'demo', 'tables'}
    if folders != set(METHODS):
        raise ValueError(f'configs/ has the methods {sorted(folders)}, this tool knows '
                         f'{sorted(METHODS)}: add the title of the paper to METHODS')
    tables = read_tables(root)
    published = published_by_config(tables)
    from mmwsss.structures.artifacts import read_record
    measured = read_record(root / 'configs/tables/measured.json')
    for record in measured:
        if not (root / record['config']).is_file() or record['method'] not in METHODS:
            raise ValueError(f'measured.json: no config "{record["config"]}" or no method '
                             f'"{record["method"]}"')
    files = {root / f'configs/{folder}/metafile.yml': metafile(root, folder, published, measured)
             for folder in METHODS}
    files[root / 'model-index.yml'] = yaml.safe_dump(
        dict(Import=[f'configs/{folder}/metafile.yml' for folder in METHODS]))
    files[root / 'docs/method_zoo.md'] = zoo(root, tables, published, measured)
    return files


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmwsss.utils import atomic_write
    changed = {path: text for path, text in all_files(ROOT).items()
               if not path.is_file() or path.read_text() != text}
    for path, text in changed.items():
        if not args.check:
            with atomic_write(path) as file:
                file.write(text)
        print(f'{"not up to date" if args.check else "written"}: {path.relative_to(ROOT)}')
    return int(args.check and bool(changed))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
