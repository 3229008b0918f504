"""Runs as the page takes them, made up."""

from html.parser import HTMLParser

import numpy as np
import pytest

from mmwsss.visualization import html

PALETTE = [[0, 0, 0], [200, 0, 0], [0, 0, 200]]
SIDE = 40


def ramp():
    """Values 0 to 195 from left to right, in steps of 5."""
    return np.tile(np.arange(SIDE, dtype=np.uint8) * 5, (SIDE, 1))


def image(name, classes, iou, color, layers=True):
    """An image of one colour; the map of its first class is the ramp, of a second one zero."""
    shown = html.jpeg(np.full((SIDE, SIDE, 3), color, np.uint8))
    maps = np.concatenate([ramp(), *[np.zeros((SIDE, SIDE), np.uint8)] * (len(classes) - 1)])
    colors = [PALETTE[1 + ('cat', 'dog').index(name)] for name in classes]
    return dict(
        name=name, classes=classes, scores={} if iou is None else {'mask IoU': iou}, image=shown,
        truth=None if iou is None else shown, cells=[['pseudo mask', shown]],
        layers=[dict(caption='cam', maps=html.grey(maps), colors=colors, threshold=0.5)]
        if layers else [])


def make_run(name, ious=(50., 20., 80.), layers=True):
    """A run on three images: a cat, a dog, and both."""
    kinds = (['cat'], ['dog'], ['cat', 'dog'])
    return dict(
        name=name, about='2026-01-01 00:00, seed 0', note='A note.', command='the <command>',
        config='model = dict()', classes=['background', 'cat', 'dog'], palette=PALETTE,
        columns=[['mask', 'mask', 1]],
        figures={'val': dict(mask=None if None in ious else float(np.mean(ious)))},
        charts=[
            dict(title='classify: loss', kind='curve', values=[[1, 2, 3], [1., .6, .4]],
                 x='iteration', y=''),
            dict(title='seeds', kind='curve', values=[[0, .5, 1], [20, 60, 30]],
                 x='background threshold', y='mIoU'),
            dict(title='Mask IoU per class', kind='bars', values=[90, 60, None],
                 x='background threshold', y='mIoU')],
        stages=[dict(name='classify', seconds=12.3, memory=dict(rss=512), machine=dict(cpu='X'))],
        images=[image(f'img_{i}', kind, iou, (60 * i + 60, ) * 3, layers)
                for i, (kind, iou) in enumerate(zip(kinds, ious))])


@pytest.fixture
def run():
    return make_run


class Balance(HTMLParser):
    """All tags are closed in order."""

    VOID = {'meta', 'img', 'br', 'input'}

    def __init__(self):
        super().__init__()
        self.stack, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in ('src', 'href')]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Of ``<line/>``: nothing to close."""

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


@pytest.fixture
def addresses():
    """Checks that the tags of a page are balanced; all its addresses."""
    def parse(text):
        parser = Balance()
        parser.feed(text)
        assert not parser.stack
        return parser.addresses
    return parse
