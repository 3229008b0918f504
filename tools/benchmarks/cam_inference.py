"""Multi-scale CAM inference with flip against the public loop, and the share outside the network.

    python tools/benchmarks/cam_inference.py [--full] [--backbones r50 r38 vgg16]

The public loop sends one scale and one mirror image at a time through the network in the default
memory format, resizes all classes and filters by the label at the end. Ours sends an image and its
mirror image together, channels last, with batch norms folded, and resizes the classes of the label
only. The results are compared.
"""

from common import Row, alternate, check_equal, clock, make_parser, report, save

# isort: split
import torch
import torch.nn.functional as F

from mmwsss.models.utils.folding import prepared_convolutions
from mmwsss.models.utils.multi_scale import multi_scale_cam, rescale, scaled_size
from mmwsss.registry import MODELS
from mmwsss.utils import register_all_modules

RESNET = dict(type='mmpretrain.ResNet', strides=(1, 2, 2, 1), out_indices=(3, ), style='pytorch')
BACKBONES = dict(
    r18=(dict(RESNET, depth=18), 512),
    r50=(dict(RESNET, depth=50), 2048),
    r38=(dict(type='ResNet38d', width=0.25), 1024),
    vgg16=(dict(type='VGG16LargeFOV'), 1024))


def build(name: str, classes: int):
    backbone, channels = BACKBONES[name]
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='WSSSClassifier', backbone=backbone,
        head=dict(type='GAPHead', num_classes=classes, in_channels=channels))).eval()


@torch.no_grad()
def public(model, image, labels, scales) -> torch.Tensor:
    """One scale and mirror image at a time, all classes, default memory format."""
    size, total = image.shape[-2:], []
    for scale in scales:
        scaled = rescale(image, scaled_size(size, scale))
        for mirrored in (False, True):
            cam = F.relu(F.interpolate(
                model.predict_cam((scaled.flip(-1) if mirrored else scaled).contiguous()), size,
                mode='bilinear', align_corners=False))
            total.append(cam.flip(-1) if mirrored else cam)
    total = torch.stack(total).sum(0)
    return total * labels[:, :, None, None] / (total.amax((2, 3), keepdim=True) + 1e-5)


class Network(torch.nn.Module):
    """Counts the seconds within the network."""

    def __init__(self, model):
        super().__init__()
        self.model, self.spent = model, 0.

    def predict_cam(self, images):
        begin = clock()
        cam = self.model.predict_cam(images)
        self.spent += clock() - begin
        return cam


def measure(name: str, size: tuple, scales: tuple, classes: int, repeats: int) -> list[Row]:
    """The whole inference, and what of it lies outside the network."""
    network = Network(build(name, classes))
    image, labels = torch.randn(1, 3, *size), torch.zeros(1, classes)
    labels[0, [3, 7]] = 1
    outside: dict[str, list[float]] = dict(public=[], ours=[])
    results = {}

    def run(which, function):
        network.spent, begin = 0., clock()
        results[which] = function(network, image, labels, scales)
        outside[which].append(clock() - begin - network.spent)

    def ours():
        with prepared_convolutions(network):
            run('ours', multi_scale_cam)

    times = alternate(dict(public=lambda: run('public', public), ours=ours), repeats)
    check_equal(results['public'], results['ours'], 1e-4, f'CAMs of {name}')
    rest = {key: min(value) for key, value in outside.items()}
    return [
        Row(f'CAM inference, {name}, 4 scales and flip', times['public'], times['ours'],
            note=f'{size[0]} x {size[1]}; not network: '
                 f'{100 * rest["ours"] / times["ours"]:.1f} % of ours'),
        Row(f'CAM inference, {name}, all but the network', rest['public'] * 1e3,
            rest['ours'] * 1e3, 'ms')]


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument('--backbones', nargs='+', choices=BACKBONES,
                        default=('r18', 'r50', 'r38', 'vgg16'))
    parser.add_argument('--classes', type=int, default=20)
    args = parser.parse_args()
    register_all_modules()
    size, scales, repeats = ((375, 500), (0.5, 1., 1.5, 2.), 3) if args.full else (
        (96, 128), (0.5, 1., 1.5, 2.), 3)
    rows = []
    for name in args.backbones:
        rows += measure(name, size, scales, args.classes, repeats)
        report(rows[-2:])
    save(rows, args.json)


if __name__ == '__main__':
    main()
