"""The HTML report of a pipeline: one file with images, tables and curves, nothing to load."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from PIL import Image

STYLE = '''
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1180px;padding:0 1rem;
color:#1c1e21}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
p.note,figcaption,td.dim{color:#5d6570;font-size:.86rem}
table{border-collapse:collapse}
th,td{padding:.28rem .7rem;text-align:right;border-bottom:1px solid #e3e6ea}
th{font-weight:600;background:#f5f6f8}th:first-child,td:first-child{text-align:left}
tr.ours td{font-weight:600}.row{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 14px}
figure{margin:0}figure img{display:block;height:132px;border-radius:3px}
figcaption{max-width:190px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
pre{background:#f5f6f8;padding:.8rem;overflow:auto;font-size:.8rem;border-radius:4px}
.key{display:inline-flex;align-items:center;gap:.35rem;margin-right:1rem}
.key i{width:.9rem;height:.9rem;border-radius:2px;display:inline-block;border:1px solid #0002}
svg text{font:11px system-ui,sans-serif;fill:#444}
'''
COLORS = ('#2563c9', '#9aa3ad', '#d9822b', '#2f9e5b', '#8e44ad', '#c0392b', '#16a2b8', '#7f6a00')


def picture(image: np.ndarray, quality: int = 82) -> str:
    """An RGB image as ``data:`` address of a JPEG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, 'JPEG', quality=quality)
    return 'data:image/jpeg;base64,' + base64.b64encode(data.getvalue()).decode()


def number(value: float | None, digits: int = 1) -> str:
    """A figure of a table; a dash where there is none."""
    return '–' if value is None or value != value else f'{value:.{digits}f}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], ours: Sequence[int] = ()) -> str:
    """An HTML table; the rows of the numbers ``ours`` stand out."""
    head = ''.join(f'<th>{html.escape(str(cell))}</th>' for cell in header)
    body = ''.join(
        f'<tr class="{"ours" if i in ours else ""}">'
        + ''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row) + '</tr>'
        for i, row in enumerate(rows))
    return f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str,
           y_label: str, width: int = 520, height: int = 250) -> str:
    """An inline SVG of some curves, their maxima marked.

    Args:
        lines: Name to x and y values; a missing y is None.
        x_label, y_label: Of the axes.
        width, height: In pixels.
    """
    left, bottom, top, right = 42, 34, 10, 12
    points = {name: [(x, y) for x, y in zip(*xy) if y is not None and y == y]
              for name, xy in lines.items()}
    xs = [x for line in points.values() for x, _ in line]
    ys = [y for line in points.values() for _, y in line]
    if not xs:
        return ''
    x0, x1 = min(xs), max(max(xs), min(xs) + 1e-9)
    y0, y1 = 0., 10 * np.ceil(max(max(ys), 1) / 10)

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + (x - x0) / (x1 - x0) * (width - left - right),
                height - bottom - (y - y0) / (y1 - y0) * (height - bottom - top))

    parts = [f'<svg width="{width}" height="{height}" role="img" aria-label="{y_label}">']
    for y in np.linspace(y0, y1, 5):
        _, py = place(x0, y)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{py:.1f}" y2="{py:.1f}" '
                     f'stroke="#e3e6ea"/><text x="{left - 6}" y="{py + 4:.1f}" '
                     f'text-anchor="end">{y:g}</text>')
    for x in np.linspace(x0, x1, 7):
        px, _ = place(x, y0)
        parts.append(f'<text x="{px:.1f}" y="{height - bottom + 15}" '
                     f'text-anchor="middle">{x:.2g}</text>')
    for line, color in zip(points.values(), cycle(COLORS)):
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in (place(*point) for point in line))
        best = place(*max(line, key=lambda point: point[1]))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
                     f'<circle cx="{best[0]:.1f}" cy="{best[1]:.1f}" r="3.5" fill="{color}"/>')
    for i, (name, color) in enumerate(zip(points, cycle(COLORS))):
        parts.append(f'<rect x="{width - 178}" y="{16 + 17 * i}" width="10" height="10" '
                     f'fill="{color}"/><text x="{width - 163}" y="{25 + 17 * i}">'
                     f'{html.escape(name)}</text>')
    parts.append(f'<text x="{(left + width) / 2:.0f}" y="{height - 4}" text-anchor="middle">'
                 f'{html.escape(x_label)}</text></svg>')
    return ''.join(parts)


def bars(classes: Sequence[str], values: Mapping[str, Sequence[float | None]],
         width: int = 520) -> str:
    """An inline SVG of horizontal bars per class, 0 to 100.

    Args:
        classes: Names.
        values: Series to one value per class.
        width: In pixels.
    """
    bar, gap, left = 11, 9, 92
    step = bar * len(values) + gap
    height = step * len(classes) + 22
    scale = (width - left - 44) / 100
    parts = [f'<svg width="{width}" height="{height}" role="img" aria-label="IoU per class">']
    for i, name in enumerate(classes):
        y = i * step + 4
        parts.append(f'<text x="{left - 8}" y="{y + step / 2:.0f}" text-anchor="end">'
                     f'{html.escape(name)}</text>')
        for j, (series, color) in enumerate(zip(values.values(), COLORS)):
            value = series[i]
            length = 0 if value is None or value != value else value * scale
            parts.append(
                f'<rect x="{left}" y="{y + j * bar}" width="{length:.1f}" height="{bar - 1}" '
                f'fill="{color}"/><text x="{left + length + 5:.1f}" y="{y + j * bar + bar - 2}">'
                f'{number(value)}</text>')
    x = left
    for name, color in zip(values, COLORS):
        parts.append(f'<rect x="{x}" y="{height - 14}" width="10" height="10" fill="{color}"/>'
                     f'<text x="{x + 14}" y="{height - 5}">{html.escape(name)}</text>')
        x += 30 + 7 * len(name)
    return ''.join(parts) + '</svg>'


def legend(classes: Sequence[str], palette: Sequence) -> str:
    """Colours of the classes, the background first."""
    return '<p>' + ''.join(
        f'<span class="key"><i style="background:rgb{tuple(int(v) for v in color)}"></i>'
        f'{html.escape(name)}</span>' for name, color in zip(classes, palette)) + '</p>'


def figures(cells: Sequence[tuple[str, np.ndarray | None]]) -> str:
    """A row of images ``(caption, RGB)``; cells without an image are left out."""
    return '<div class="row">' + ''.join(
        f'<figure><img src="{picture(image)}" alt="{html.escape(caption)}">'
        f'<figcaption>{html.escape(caption)}</figcaption></figure>'
        for caption, image in cells if image is not None) + '</div>'


def page(title: str, sections: Sequence[tuple[str, str]], note: str = '') -> str:
    """The whole document.

    Args:
        title: Heading.
        sections: ``(heading, HTML)`` each.
        note: A line below the title.
    """
    body = ''.join(f'<h2>{html.escape(head)}</h2>{content}' for head, content in sections)
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f'<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>'
            f'<h1>{html.escape(title)}</h1><p class="note">{html.escape(note)}</p>'
            f'{body}</body></html>\n')


def code(text: str) -> str:
    """Text in a frame."""
    return f'<pre>{html.escape(text)}</pre>'
