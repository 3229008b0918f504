"""A segmentation step and a multi-scale test against the bare network.

    python tools/benchmarks/segmentation.py [--full]

The step is that of configs/deeplab/deeplabv2_small_shapes.py; the bare one is forward pass,
cross-entropy and backward pass of the same network without mmseg's samples, accuracy and logging of
losses. The straightforward test sends one scale and mirror image at a time through the network.
"""

from common import ROOT, Row, alternate, check_equal, make_parser, report

# isort: split
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.registry import MODELS
from mmwsss.utils import register_all_modules

SCALES = (0.5, 1., 1.5)


def sample(size: int, classes: int) -> SegDataSample:
    one = SegDataSample(metainfo=dict(
        img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size), flip=False))
    one.gt_sem_seg = PixelData(data=torch.randint(0, classes, (1, size, size)))
    return one


def main() -> None:
    args = make_parser(__doc__).parse_args()
    register_all_modules()
    torch.manual_seed(0)
    batch, size, repeats = (16, 80, 8) if args.full else (4, 80, 4)
    cfg = Config.fromfile(ROOT / 'configs/deeplab/deeplabv2_small_shapes.py').model
    cfg.update(type='MSCEncoderDecoder', test_cfg=dict(
        mode='whole', scales=SCALES, flip=True, merge='prob'))
    model = MODELS.build(cfg)
    classes = model.decode_head.num_classes
    images = torch.randn(batch, 3, size, size)
    samples = [sample(size, classes) for _ in range(batch)]
    labels = torch.cat([one.gt_sem_seg.data for one in samples])

    def logits(x):
        return model.decode_head(model.backbone(x))

    def bare() -> None:
        out = F.interpolate(logits(images), (size, size), mode='bilinear')
        F.cross_entropy(out, labels).backward()

    def ours() -> None:
        loss, _ = model.parse_losses(model.loss(images, samples))
        loss.backward()

    model.train()
    times = alternate(dict(bare=bare, ours=ours), repeats)
    rows = [Row('segmentation step, DeepLabV2 small', times['bare'] * 1e3, times['ours'] * 1e3,
                'ms', f'batch {batch} of {size} x {size}')]
    model.eval()

    @torch.no_grad()
    def public() -> torch.Tensor:
        total = 0
        for scale in SCALES:
            side = round(size * scale)
            scaled = F.interpolate(images, (side, side), mode='bilinear')
            for mirrored in (False, True):
                out = logits(scaled.flip(-1) if mirrored else scaled)
                out = F.interpolate(out, (size, size), mode='bilinear').softmax(1)
                total = total + (out.flip(-1) if mirrored else out)
        return total / (2 * len(SCALES))

    @torch.no_grad()
    def together() -> torch.Tensor:
        return model.whole_inference(images, []).exp()

    check_equal(public(), together(), 1e-3, 'multi-scale test')
    times = alternate(dict(public=public, ours=together), repeats)
    rows.append(Row('segmentation, test at 3 scales with flip', times['public'] * 1e3,
                    times['ours'] * 1e3, 'ms', 'an image and its mirror image together'))
    report(rows, args.json)


if __name__ == '__main__':
    main()
