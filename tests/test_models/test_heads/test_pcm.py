import numpy as np
import torch

from mmwsss.models.heads import PixelCorrelationModule
from mmwsss.models.heads.pcm import correlate


def test_pcm_matches_loops():
    torch.manual_seed(0)
    pcm = PixelCorrelationModule((4, 6), (3, 5), 7)
    image, feats = torch.randn(2, 3, 4, 5), (torch.randn(2, 4, 4, 5), torch.randn(2, 6, 4, 5))
    cam = torch.rand(2, 3, 4, 5)
    got = pcm(image, feats, cam).detach().numpy()
    w1, w2 = (conv.weight.detach().double().numpy()[:, :, 0, 0] for conv in pcm.reduce)
    w = pcm.join.weight.detach().double().numpy()[:, :, 0, 0]
    for n in range(2):
        f = {}
        for p in np.ndindex(4, 5):
            at = (n, slice(None), *p)
            x = np.concatenate([image[at], np.maximum(w1 @ feats[0][at].double().numpy(), 0),
                                np.maximum(w2 @ feats[1][at].double().numpy(), 0)])
            v = w @ x
            f[p] = v / (np.linalg.norm(v) + 1e-5)
        for p in np.ndindex(4, 5):
            similar = {q: max(f[q] @ f[p], 0) for q in f}
            total = sum(similar.values()) + 1e-5
            want = sum(cam[(n, slice(None), *q)].double().numpy() * a / total
                       for q, a in similar.items())
            np.testing.assert_allclose(got[(n, slice(None), *p)], want, atol=1e-5)


def test_pcm_trains_only_itself_and_resizes():
    pcm = PixelCorrelationModule((4, 6), (3, 5), 7)
    image = torch.randn(1, 3, 32, 40)
    feats = [torch.randn(1, c, 4, 5, requires_grad=True) for c in (4, 6)]
    cam = torch.rand(1, 3, 2, 3, requires_grad=True)
    out = pcm(image, feats, cam)
    assert out.shape == (1, 3, 4, 5)
    (out ** 2).sum().backward()
    assert cam.grad is None and all(x.grad is None for x in feats)
    assert all(p.grad.abs().sum() > 0 for p in pcm.parameters())


def test_correlation_in_blocks_equals_the_normalised_matrix():
    """Values and gradient of the public formulation, whatever the size of a block."""
    torch.manual_seed(0)
    features = torch.randn(2, 6, 37, dtype=torch.float64)
    maps, weight = torch.rand(2, 3, 37).double(), torch.randn(2, 3, 37).double()

    def public(f):
        similar = (f.transpose(1, 2) @ f).clamp(min=0)
        return maps @ (similar / (similar.sum(1, keepdim=True) + 1e-5))

    results = []
    for run in (public, lambda f: correlate(f, maps, block=8), lambda f: correlate(f, maps)):
        x = features.clone().requires_grad_()
        out = run(x / x.norm(dim=1, keepdim=True))
        (out * weight).sum().backward()
        results.append((out.detach(), x.grad))
    for got in results[1:]:
        torch.testing.assert_close(got, results[0], rtol=1e-9, atol=1e-12)
