import numpy as np
import pytest

from mmwsss.visualization import draw_grid, draw_mask, overlay_cam, overlay_mask


@pytest.fixture
def image():
    return np.full((20, 30, 3), 100, np.uint8)


def test_overlay_cam_heats_only_where_the_cam_is(image):
    cam = np.zeros((20, 30), np.float32)
    cam[5:10, 5:10] = 1
    out = overlay_cam(image, cam)
    assert out.shape == image.shape and out.dtype == np.uint8
    assert (out[15, 20] == 85).all()  # darkened image, no heat
    assert out[7, 7, 0] > out[7, 7, 2]  # red
    assert overlay_cam(image, cam[::2, ::2]).shape == image.shape


def test_draw_mask_uses_the_palette_then_the_colours_of_voc():
    out = draw_mask(np.array([[0, 1, 2, 255]], np.uint8), [[1, 2, 3], [4, 5, 6]])
    assert out[0, :2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert out[0, 2].tolist() == [0, 128, 0] and out[0, 3].tolist() == [224, 224, 192]


def test_overlay_mask(image):
    mask = np.zeros((20, 30), np.uint8)
    mask[4:16, 4:16] = 1
    mask[:, 25:] = 255
    out = overlay_mask(image, mask, [[0, 0, 0], [200, 0, 0]], alpha=0.5)
    assert out[10, 20].tolist() == [100, 100, 100]  # background stays
    assert out[10, 10].tolist() == [150, 50, 50]
    assert out[10, 28].tolist() == [177, 177, 177]  # not known: light
    assert out[10, 4].tolist() == [255, 255, 255]  # outline


def test_grid(image):
    grid = draw_grid([[('a', image), ('b', image)], [('c', image[:, :10]), ('none', None)]],
                     height=40, gap=4)
    # Two columns of 60; two rows of image, text and gaps.
    assert grid.shape == (2 * (40 + 10 + 8) + 4, 2 * 60 + 3 * 4, 3)
    with pytest.raises(ValueError, match='no images'):
        draw_grid([])
