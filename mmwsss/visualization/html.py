"""Parts of HTML pages that are one file each: images, tables and charts, nothing to load."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SERIES = 8  # colours of report.css; further series are dashed


def jpeg(image: np.ndarray, quality: int = 82) -> str:
    """An RGB image as ``data:`` address of a JPEG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, 'JPEG', quality=quality)
    return 'data:image/jpeg;base64,' + base64.b64encode(data.getvalue()).decode()


def grey(values: np.ndarray) -> str:
    """A uint8 map ``(H, W)`` as ``data:`` address of a PNG without loss."""
    data = io.BytesIO()
    Image.fromarray(values).save(data, 'PNG', optimize=True)
    return 'data:image/png;base64,' + base64.b64encode(data.getvalue()).decode()


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """An image or map of at most ``side`` pixels on its long side."""
    ratio = side / max(image.shape[:2])
    if ratio >= 1:
        return image
    size = [max(round(length * ratio), 1) for length in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


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
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table></div>')


def ticks(low: float, high: float, most: int = 5) -> np.ndarray:
    """Round numbers a step of 1, 2, 2.5 or 5 times a power of ten apart, that enclose a range in
    at most ``most`` steps."""
    high = high if high > low else low + 1
    step = 10. ** np.floor(np.log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20):
        first = np.floor(low / (step * factor) + 1e-9)
        last = np.ceil(high / (step * factor) - 1e-9)
        if last - first <= most:
            break
    return np.arange(first, last + 1) * step * factor


def _series(name: str, names: Sequence[str]) -> str:
    """Class of a series' colour, by its place."""
    index = list(names).index(name)
    return f's{index % SERIES}' + (' dashed' if index >= SERIES else '')


def series_legend(names: Sequence[str]) -> str:
    """Colours of the series of all charts."""
    return '<p>' + ''.join(
        f'<span class="key"><i class="{_series(name, names)}"></i>{html.escape(name)}</span>'
        for name in names) + '</p>'


def curves(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str,
           y_label: str, width: int = 520, height: int = 250, names: Sequence[str] = (),
           mark: bool = True, most: int = 400) -> str:
    """An inline SVG of some curves.

    Args:
        lines: Name to x and y values; a missing y is None.
        x_label, y_label: Of the axes.
        width, height: In pixels; a narrow screen makes it smaller.
        names: All series, which decide on the colours.
        mark: Mark the maxima.
        most: Points of a curve; of more some are left out.
    """
    left, bottom, top, right = 46, 34, 10, 16
    points = {name: [(x, y) for x, y in zip(*xy) if y is not None and y == y]
              for name, xy in lines.items()}
    points = {name: line[::-(-len(line) // most)] if line else [] for name, line in points.items()}
    xs = [x for line in points.values() for x, _ in line]
    ys = [y for line in points.values() for _, y in line]
    if not xs:
        return ''
    x0, x1 = min(xs), max(max(xs), min(xs) + 1e-9)
    y_ticks = ticks(min(0., *ys), max(0., *ys), 4)
    whole = all(float(x).is_integer() for x in xs)
    y0, y1 = y_ticks[0], y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + (x - x0) / (x1 - x0) * (width - left - right),
                height - bottom - (y - y0) / (y1 - y0) * (height - bottom - top))

    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
             f'aria-label="{html.escape(y_label or x_label)}">']
    for y in y_ticks:
        _, py = place(x0, y)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{py:.1f}" '
                     f'y2="{py:.1f}"/><text x="{left - 6}" y="{py + 4:.1f}" '
                     f'text-anchor="end">{y:.4g}</text>')
    for x in ticks(x0, x1, 6):
        if x0 - 1e-9 <= x <= x1 + 1e-9 and (not whole or float(x).is_integer()):
            px, _ = place(x, y0)
            parts.append(f'<text x="{px:.1f}" y="{height - bottom + 15}" '
                         f'text-anchor="middle">{x:.5g}</text>')
    for name, line in points.items():
        if not line:
            continue
        kind = _series(name, names or list(points))
        path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in (place(*point) for point in line))
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
        if mark or len(line) == 1:
            best = place(*max(line, key=lambda point: point[1]))
            parts.append(f'<circle class="{kind}" cx="{best[0]:.1f}" cy="{best[1]:.1f}" r="3.5"/>')
    parts.append(f'<text x="{(left + width) / 2:.0f}" y="{height - 4}" text-anchor="middle">'
                 f'{html.escape(x_label)}</text></svg>')
    return ''.join(parts)


def bars(classes: Sequence[str], values: Mapping[str, Sequence[float | None]],
         width: int = 520, names: Sequence[str] = ()) -> str:
    """An inline SVG of horizontal bars per class, 0 to 100.

    Args:
        classes: Names.
        values: Series to one value per class.
        width: In pixels; a narrow screen makes it smaller.
        names: All series, which decide on the colours.
    """
    bar, gap, left = 11, 9, max(92, 12 + 7 * max(map(len, classes), default=0))
    step = bar * len(values) + gap
    height = step * len(classes) + 8
    scale = (width - left - 44) / 100
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
             'aria-label="IoU per class">']
    for i, name in enumerate(classes):
        y = i * step + 4
        parts.append(f'<text x="{left - 8}" y="{y + step / 2:.0f}" text-anchor="end">'
                     f'{html.escape(name)}</text>')
        for j, series in enumerate(values):
            value = values[series][i]
            length = 0 if value is None or value != value else value * scale
            parts.append(
                f'<rect class="{_series(series, names or list(values))}" x="{left}" '
                f'y="{y + j * bar}" width="{length:.1f}" height="{bar - 1}"/>'
                f'<text x="{left + length + 5:.1f}" y="{y + j * bar + bar - 2}">'
                f'{number(value)}</text>')
    return ''.join(parts) + '</svg>'


def chart(title: str, svg: str) -> str:
    """A chart with its title; empty without one."""
    return (f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>{svg}</figure>'
            if svg else '')


def legend(classes: Sequence[str], palette: Sequence) -> str:
    """Colours of the classes, the background first."""
    return '<p>' + ''.join(
        f'<span class="key"><i style="background:rgb{tuple(int(v) for v in color)}"></i>'
        f'{html.escape(name)}</span>' for name, color in zip(classes, palette)) + '</p>'


def figure(caption: str, address: str) -> str:
    """An image by its ``data:`` address."""
    caption = html.escape(caption)
    return (f'<figure><img src="{address}" alt="{caption}">'
            f'<figcaption>{caption}</figcaption></figure>')


def figures(cells: Sequence[tuple[str, np.ndarray | None]]) -> str:
    """A row of images ``(caption, RGB)``; cells without an image are left out."""
    return '<div class="row">' + ''.join(
        figure(caption, jpeg(image)) for caption, image in cells if image is not None) + '</div>'


def page(title: str, sections: Sequence[tuple[str, str]], note: str = '',
         script: bool = False) -> str:
    """The whole document.

    Args:
        title: Heading.
        sections: ``(heading, HTML)`` each.
        note: A line below the title.
        script: With the script of the pipeline's report.
    """
    folder = Path(__file__).parent
    style = (folder / 'report.css').read_text(encoding='utf-8')
    code = (folder / 'report.js').read_text(encoding='utf-8') if script else ''
    body = ''.join(f'<h2>{html.escape(head)}</h2>{content}' for head, content in sections)
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<title>{html.escape(title)}</title><style>{style}</style></head><body>'
            f'<h1>{html.escape(title)}</h1><p class="note">{html.escape(note)}</p>'
            f'{body}{f"<script>{code}</script>" if script else ""}</body></html>\n')


def code(text: str) -> str:
    """Text in a frame."""
    return f'<pre>{html.escape(text)}</pre>'


def details(title: str, content: str) -> str:
    """What is shown on a click."""
    return f'<details><summary>{html.escape(title)}</summary>{content}</details>'
