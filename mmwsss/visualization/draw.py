"""Images of CAMs and masks; everything in and out is RGB uint8 ``(H, W, 3)``."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmwsss.utils.palette import voc_palette

Cell = tuple[str, np.ndarray | None]


def overlay_cam(image: np.ndarray, cam: np.ndarray, alpha: float = 0.6) -> np.ndarray:
    """Heat of a CAM over an image; where the CAM is 0 the image shows, a bit darker.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        cam: ``(h, w)`` in [0, 1]; resized to the image.
        alpha: Strength of the heat where the CAM is 1.
    """
    cam = cv2.resize(np.asarray(cam, np.float32), image.shape[1::-1]).clip(0, 1)
    heat = cv2.applyColorMap((cam * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    weight = alpha * np.sqrt(cam)[..., None]
    return (image * 0.85 * (1 - weight) + heat * weight).clip(0, 255).astype(np.uint8)


def draw_mask(mask: np.ndarray, palette: Sequence = ()) -> np.ndarray:
    """Colours of a mask of class ids ``(H, W)``: those of ``palette``, then VOC's."""
    colors = np.array(voc_palette(), np.uint8)
    if len(palette):
        colors[:len(palette)] = palette
    return colors[mask]


def overlay_mask(image: np.ndarray, mask: np.ndarray, palette: Sequence = (),
                 alpha: float = 0.6) -> np.ndarray:
    """Classes of a mask over an image, with their outlines; the background stays as it is.

    Args:
        image: RGB uint8 ``(H, W, 3)``.
        mask: Class ids ``(H, W)``; 0 and 255 are not coloured, 255 is made light.
        palette: RGB of background and classes.
        alpha: Strength of the colours.
    """
    colors = draw_mask(mask, palette).astype(np.float32)
    weight = np.where((mask > 0) & (mask != 255), alpha, 0)[..., None]
    out = image * (1 - weight) + colors * weight
    out[mask == 255] = 0.5 * out[mask == 255] + 127
    edge = np.zeros(mask.shape, bool)
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edge[1:] |= mask[1:] != mask[:-1]
    out[edge] = 255
    return out.clip(0, 255).astype(np.uint8)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow below 10.1
        return ImageFont.load_default()


def draw_grid(rows: Sequence[Sequence[Cell]], height: int = 128, gap: int = 6) -> np.ndarray:
    """Put images with captions into a grid.

    Args:
        rows: Of each row the cells ``(caption, RGB image or None)``.
        height: Of the images; each keeps its proportions.
        gap: Between them.

    Raises:
        ValueError: There is no cell.
    """
    if not rows or not any(rows):
        raise ValueError('draw_grid: no images')
    text = max(height // 10, 10)
    columns = max(map(len, rows))
    cells = []
    for row in rows:
        cells.append([
            (caption, image if image is None else cv2.resize(
                image, (max(round(image.shape[1] * height / image.shape[0]), 1), height),
                interpolation=cv2.INTER_AREA)) for caption, image in row])
    widths = [max((row[i][1].shape[1] for row in cells if i < len(row) and row[i][1] is not None),
                  default=height) for i in range(columns)]
    full = (sum(widths) + gap * (columns + 1), len(rows) * (height + text + 2 * gap) + gap)
    canvas = Image.new('RGB', full, (255, 255, 255))
    draw, font = ImageDraw.Draw(canvas), _font(text)
    for y, row in enumerate(cells):
        top = gap + y * (height + text + 2 * gap)
        for x, (caption, image) in enumerate(row):
            left = gap + sum(widths[:x]) + gap * x
            draw.text((left, top), caption, (20, 20, 20), font)
            if image is not None:
                canvas.paste(Image.fromarray(image), (left, top + text + gap // 2))
    return np.asarray(canvas)
