"""KTSE's partners go through the network only for what is used of them."""

import torch
from test_ktse_step import MGA, SIE, SSR, Stride8, batch, classifier

from mmwsss.registry import MODELS

ANCHOR = dict(SIE, target='anchor', num_pairs=2)


@MODELS.register_module(force=True)
class Recording(Stride8):
    """Remembers how many images it saw, of which height, with a graph or not."""

    def forward(self, x):
        self.seen = [*getattr(self, 'seen', []), (*x.shape[:3:2], torch.is_grad_enabled())]
        return super().forward(x)


def step(*modules):
    """Losses of six images of 32 pixels, and what the network saw."""
    model = classifier(*modules, backbone='Recording')
    return model(*batch(6, 32), mode='loss'), model.backbone.seen


def test_the_anchors_half_needs_no_partner():
    losses, seen = step(ANCHOR, MGA)
    assert sorted(seen) == [(2, 64, True), (6, 32, True), (6, 32, True)]
    sum(losses.values()).backward()


def test_partners_that_are_only_labelled_have_no_graph():
    losses, seen = step(ANCHOR, SSR)
    assert sorted(seen) == [(2, 32, False), (2, 64, True), (6, 32, True)]
    both, seen = step(dict(ANCHOR, target='both'), SSR)
    assert sorted(seen) == [(2, 64, True), (8, 32, True)]
    for name in ('ssr.loss_intra', 'ssr.loss_inter', 'ssr.loss_intra_concat'):
        torch.testing.assert_close(losses[name], both[name])
