"""The page of the pipeline's report: any number of runs side by side, from plain data.

A run is a dict that JSON holds:

- ``name``, ``about`` (date, seed, data), ``note`` (below the table), ``command`` and ``config``:
  text; ``classes`` (the background first) and ``palette``;
- ``columns``: ``[key, title, digits]`` each; ``figures``: split to key to value;
- ``charts``: dicts with the fields of :class:`mmwsss.pipeline.Chart`;
- ``stages``: dicts with ``name``, ``seconds``, ``memory`` and ``machine`` of the finished ones;
- ``images``: dicts with ``name``, ``classes``, ``scores`` (title to percent), ``image`` and
  ``truth`` (``data:`` addresses; the latter may be None), ``cells`` (caption and address each) and
  ``layers`` (dicts with ``caption``, ``maps``, ``colors`` and ``threshold``).
"""

import html
import json
from collections.abc import Iterable, Sequence

from .html import (
    bars,
    chart,
    code,
    curves,
    details,
    figure,
    legend,
    number,
    page,
    series_legend,
    table,
)


def unique_names(runs: Sequence[dict], folders: Sequence[str]) -> list[dict]:
    """The runs, those of one name told apart by their folders."""
    names = [run['name'] for run in runs]
    return [dict(run, name=f'{run["name"]} ({folder})' if names.count(run['name']) > 1
                 else run['name']) for run, folder in zip(runs, folders)]


def report_page(runs: Sequence[dict], title: str) -> str:
    """One self-contained HTML document.

    Args:
        runs: See the module; their names differ. The first stands out.
        title: Heading.
    """
    sections = [('Result', _result(runs)), ('Images of every stage', _images(runs))]
    training, others = _charts(runs)
    names = series_legend([run['name'] for run in runs]) if len(runs) > 1 else ''
    sections += [(head, f'{names}<div class="charts{kind}">{content}</div>')
                 for head, content, kind in (('Training', training, ''),
                                             ('Scores', others, ' wide')) if content]
    sections += [('Time and memory', _costs(runs)), ('Machine and versions', _machines(runs)),
                 ('Commands and configs', ''.join(
                     details(f'{run["name"]}: {run["about"]}',
                             code(run['command']) + code(run['config'])) for run in runs))]
    about = dict.fromkeys(run['about'] for run in runs)
    if len(about) > 1:
        about = [f'{run["name"]}: {run["about"]}' for run in runs]
    return page(title, [(head, content) for head, content in sections if content],
                '. '.join(about), True)


def _result(runs: Sequence[dict]) -> str:
    columns = {key: (title, digits) for run in runs for key, title, digits in run['columns']}
    rows = [(run['name'], split, *(number(figures.get(key), digits)
                                   for key, (_, digits) in columns.items()))
            for run in runs for split, figures in run['figures'].items()]
    ours = [i for i, row in enumerate(rows) if row[0] == runs[0]['name']] if len(runs) > 1 else []
    notes = [f'{run["name"]}: {run["note"]}' if len(runs) > 1 else run['note']
             for run in runs if run['note']]
    return (table(('run', 'split', *(title for title, _ in columns.values())), rows, ours)
            + '<p class="note">mIoU in percent. Oracle: at the threshold that is best on the split '
            'itself, as the papers report seeds; held-out: at the best threshold of one half of '
            'the images, scored on the other half. Precision and recall (means over the '
            f'foreground classes) belong to the oracle seed. {html.escape(" ".join(notes))}</p>')


# -- charts ----------------------------------------------------------------------------------------
def _charts(runs: Sequence[dict]) -> tuple[str, str]:
    """Charts of trainings, by epoch or iteration, and the others."""
    names = [run['name'] for run in runs]
    groups: dict[tuple, dict] = {}
    for run in runs:
        for item in run['charts']:
            classes = tuple(run['classes']) if item['kind'] == 'bars' else ()
            key = (item['title'], item['kind'], item['x'], item['y'], classes)
            groups.setdefault(key, {})[run['name']] = item['values']
    training, others = '', ''
    for (title, kind, x, y, classes), values in groups.items():
        if kind == 'bars':
            others += chart(title, bars(classes, values, 440, names))
        elif x in ('epoch', 'iteration'):
            training += chart(title, curves(values, x, y, 340, 190, names, mark=bool(y)))
        else:
            others += chart(title, curves(values, x, y, 440, 230, names, mark=bool(y)))
    return training, others


# -- images ----------------------------------------------------------------------------------------
def _differences(shown: Sequence[tuple[str, dict]]) -> dict[str, float]:
    """Scores of one image by title; of two runs also their difference."""
    several = len(shown) > 1
    scores = {f'{title}, {name}' if several else title: value
              for name, image in shown for title, value in image['scores'].items()}
    if len(shown) == 2:
        (first, a), (second, b) = shown
        scores.update({f'{title}, {first} minus {second}': value - b['scores'][title]
                       for title, value in a['scores'].items() if title in b['scores']})
    return scores


def _images(runs: Sequence[dict]) -> str:
    images: dict[str, list] = {}
    for run in runs:
        for image in run['images']:
            images.setdefault(image['name'], []).append((run['name'], image))
    if not images:
        return ''
    keys: dict[str, None] = {}
    cards, kinds = '', {}
    for name, shown in images.items():
        first, scores = shown[0][1], _differences(shown)
        keys.update(dict.fromkeys(scores))
        kinds.update(dict.fromkeys(first['classes']))
        chips = ''.join(f'<span class="chip">{html.escape(kind)}</span>'
                        for kind in first['classes'])
        cards += (f'<article class="image" data-name="{html.escape(name)}" '
                  f'data-classes="{_attribute(first["classes"])}" '
                  f'data-scores="{_attribute(scores)}"><h3>{html.escape(name)}{chips}</h3>'
                  + _rows(shown, len(runs) > 1) + '</article>')
    legends = {(tuple(run['classes']), str(run['palette'])):
               legend(run['classes'], run['palette']) for run in runs}
    layers = any(image['layers'] for run in runs for image in run['images'])
    # The first run's last score.
    chosen = [key for key in keys if ' minus ' not in key
              and (len(runs) == 1 or key.endswith(f', {runs[0]["name"]}'))]
    tools = _tools(list(keys), ''.join(chosen[-1:]), list(kinds), layers)
    return (''.join(legends.values()) + tools
            + f'<div class="images">{cards}</div>')


def _rows(shown: Sequence[tuple[str, dict]], several: bool) -> str:
    """What the runs made of one image; the image and its ground truth are there once."""
    first = shown[0][1]
    image = figure('image', first['image'])
    truth = figure('ground truth', first['truth']) if first['truth'] else ''
    if not several:
        return f'{_scores("", first)}<div class="row">{image}{_cells(first)}{truth}</div>'
    rows = ''.join(f'<div data-run="{html.escape(run)}">{_scores(run, one)}'
                   f'<div class="row">{_cells(one)}</div></div>' for run, one in shown)
    return f'<div class="both"><div class="row">{image}{truth}</div><div>{rows}</div></div>'


def _scores(run: str, image: dict) -> str:
    parts = [f'<b>{html.escape(run)}</b>'] if run else []
    parts += [f'{html.escape(title)} {number(value)}' for title, value in image['scores'].items()]
    return f'<p class="scores">{" · ".join(parts)}</p>' if parts else ''


def _cells(image: dict) -> str:
    text = ''.join(figure(caption, address) for caption, address in image['cells'])
    for layers in image['layers']:
        data = dict(colors=layers['colors'], threshold=layers['threshold'])
        text += (f'<figure class="layers" data-caption="{html.escape(layers["caption"])}" '
                 f'data-layers="{_attribute(data)}"><canvas></canvas>'
                 f'<img hidden alt="" src="{layers["maps"]}"><figcaption></figcaption></figure>')
    return text


def _tools(scores: Sequence[str], chosen: str, classes: Sequence[str], layers: bool) -> str:
    """Controls of the images; the script shows them."""
    slider = ('<label>CAM above <input type="range" name="threshold" min="0" max="1" step="0.01">'
              '<output class="threshold"></output></label><button type="button">reset</button>'
              if layers else '')
    return ('<form class="tools" autocomplete="off" hidden>'
            f'<label>Sort by <select name="score">{_options(scores, "the list", chosen)}</select>'
            '</label><select name="order" aria-label="order"><option value="worst">worst first'
            '</option><option value="best">best first</option></select>'
            f'<label>Class <select name="kind">{_options(classes, "all", "")}</select></label>'
            f'{slider}<output class="count"></output></form>')


def _options(values: Iterable[str], none: str, chosen: str) -> str:
    return f'<option value="">{none}</option>' + ''.join(
        f'<option{" selected" if value == chosen else ""}>{html.escape(value)}</option>'
        for value in values)


def _attribute(value: object) -> str:
    return html.escape(json.dumps(value))


# -- costs -----------------------------------------------------------------------------------------
def _costs(runs: Sequence[dict]) -> str:
    rows = [(run['name'], stage['name'], number(stage['seconds'], 0),
             number(stage['memory'].get('rss'), 0), number(stage['memory'].get('gpu'), 0))
            for run in runs for stage in run['stages']]
    return (table(('run', 'stage', 'seconds', 'memory, MiB', 'GPU memory, MiB'), rows)
            + '<p class="note">Wall time and peak memory of the main process and its workers. What '
            'was interrupted and resumed counts from then.</p>') if rows else ''


def _machines(runs: Sequence[dict]) -> str:
    """A column for each machine and set of versions."""
    found: dict[str, tuple[dict, list]] = {}
    for run in runs:
        for stage in run['stages']:
            if stage['machine']:
                key = json.dumps(stage['machine'], sort_keys=True)
                found.setdefault(key, (stage['machine'], []))[1].append(
                    f'{run["name"]}/{stage["name"]}')
    keys = {key: None for machine, _ in found.values() for key in machine}
    header = ['', *(', '.join(stages) if len(found) > 1 else 'all stages'
                    for _, stages in found.values())]
    rows = [(key, *(machine.get(key, '–') for machine, _ in found.values())) for key in keys]
    return f'<div class="text">{table(header, rows)}</div>' if found else ''
