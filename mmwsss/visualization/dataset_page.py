"""The page of ``check_dataset.py``."""

import html
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np

from mmwsss.utils.spread import spread

from .html import figures, page, shrink, table


def matrix(names: Sequence[str], values: np.ndarray, cell: int = 44) -> str:
    """An inline SVG of a square matrix of counts; each row is shaded by its diagonal.

    Args:
        names: Of rows and columns.
        values: ``(C, C)``, non-negative.
        cell: Side of a cell in pixels.
    """
    left = 12 + 7 * max((len(name) for name in names), default=0)
    size = left + cell * len(names)
    parts = [f'<svg width="{size}" height="{size}" role="img" aria-label="co-occurrence">']
    for i, name in enumerate(names):
        middle = left + (i + .5) * cell
        text = html.escape(name)
        parts.append(f'<text x="{left - 6}" y="{middle + 4}" text-anchor="end">{text}</text>')
        parts.append(f'<text transform="translate({middle + 4},{left - 6}) rotate(-90)">'
                     f'{text}</text>')
        for j in range(len(names)):
            share = values[i, j] / max(values[i, i], 1)
            parts.append(
                f'<rect x="{left + j * cell}" y="{left + i * cell}" width="{cell - 1}" '
                f'height="{cell - 1}" fill="#2563c9" fill-opacity="{share:.3f}" stroke="#e3e6ea"/>'
                f'<text x="{left + (j + .5) * cell}" y="{middle + 4}" text-anchor="middle"'
                f'{" style=fill:#fff" if share > .5 else ""}>{int(values[i, j])}</text>')
    return ''.join(parts) + '</svg>'


def dataset_page(result: Any, title: str, per_class: int = 12) -> str:
    """One self-contained HTML document: problems, classes, co-occurrence, sizes, and a contact
    sheet of each class.

    Args:
        result: Of :func:`~mmwsss.datasets.inspection.inspect_dataset`.
        title: Heading.
        per_class: Images on a contact sheet, spread evenly over those of the class.
    """
    rows = [('error' if problem.serious else 'note', problem.text, problem.mend,
             ', '.join(problem.names[:8]) + (', ...' if len(problem.names) > 8 else ''))
            for problem in result.problems]
    sections = [('What to do', table(('', 'what', 'what to do', 'images'), rows)
                 if rows else '<p>Nothing is wrong.</p>')]
    shares = result.pixel_shares
    header, cells = ['class', 'images'], [list(row) for row in zip(result.classes, result.counts)]
    if shares is not None:
        header.append('% of pixels')
        cells = [['background', '', f'{100 * shares[0]:.1f}'],
                 *([*row, f'{100 * share:.1f}'] for row, share in zip(cells, shares[1:])),
                 ['ignored', '', f'{100 * shares[-1]:.1f}']]
    sections.append(('Classes', table(header, cells)))
    sections.append((
        'Classes that come together', '<p class="note">Images that have the class of the row and '
        'that of the column; dark where most of the row\'s images have both.</p>'
        + matrix(result.classes, result.cooccurrence)))
    read = [i for i, fact in enumerate(result.facts) if not fact.error]
    sizes = np.array([result.facts[i].size for i in read]).reshape(-1, 2)
    if len(sizes):
        names = ('smallest', 'quarter', 'half', 'three quarters', 'largest')
        quartiles = np.percentile(sizes, (0, 25, 50, 75, 100), axis=0)
        sections.append(('Sizes', table(('', 'height', 'width'), [
            (name, f'{height:.0f}', f'{width:.0f}')
            for name, (height, width) in zip(names, quartiles)])))
    for index, name in enumerate(result.classes):
        of_class = [i for i in read if result.labels[i, index]]
        sections.append((f'{name} ({len(of_class)})', figures(
            [(result.names[i], shrink(mmcv.imread(result.paths[i], channel_order='rgb'), 160))
             for i in spread(of_class, per_class)])))
    note = f'{len(result.names)} images, {len(result.classes)} classes'
    return page(title, sections, note)
