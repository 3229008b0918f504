"""Reading and augmenting an image against decoding it alone, and against NumPy's operations.

    python tools/benchmarks/loading.py [--full]

The pipeline is that of VOC (resize the long side, mirror, crop of 448, pack) and the normalisation
of a batch. The straightforward version of mirror, packing and normalisation is NumPy's and
PyTorch's plain expression; all results are bit-identical.
"""

import tempfile
from pathlib import Path

from common import Row, alternate, make_parser, report

# isort: split
import cv2
import numpy as np
import torch
from mmengine.dataset import Compose

from mmwsss.models.data_preprocessor import WSSSDataPreprocessor
from mmwsss.registry import TRANSFORMS
from mmwsss.utils import register_all_modules


def main() -> None:
    args = make_parser(__doc__).parse_args()
    register_all_modules()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    repeats = 100 if args.full else 15
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (500, 375), interpolation=cv2.INTER_CUBIC)
    crop = np.ascontiguousarray(cv2.resize(image, (448, 448)))
    preprocessor = WSSSDataPreprocessor()
    batch = torch.from_numpy(rng.integers(0, 256, (8, 3, 448, 448), dtype=np.uint8))
    flip = TRANSFORMS.build(dict(type='RandomFlip', prob=1.))
    pack = TRANSFORMS.build(dict(type='PackWSSSInputs'))

    def plain_pack():
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))

    def plain_normalize():
        return (batch.flip(1).float() - preprocessor.mean) / preprocessor.std

    assert np.array_equal(flip(dict(img=crop))['img'], crop[:, ::-1])
    assert torch.equal(pack(dict(img=crop))['inputs']['image'], plain_pack())
    assert torch.equal(preprocessor.normalize(batch), plain_normalize())
    rows = []
    for what, plain, ours in (
            ('mirror an image of 448 x 448', lambda: np.ascontiguousarray(crop[:, ::-1]),
             lambda: flip(dict(img=crop))),
            ('pack it', plain_pack, lambda: pack(dict(img=crop))),
            ('normalise a batch of 8', plain_normalize, lambda: preprocessor.normalize(batch))):
        times = alternate(dict(plain=plain, ours=ours), repeats)
        rows.append(Row(what, times['plain'] * 1e3, times['ours'] * 1e3, 'ms', 'bit-identical'))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'image.jpg')
        cv2.imwrite(path, image)
        data = Path(path).read_bytes()
        for backend in ('pillow', 'cv2'):
            line = Compose([TRANSFORMS.build(t) for t in (
                dict(type='LoadImage'),
                dict(type='ResizeLong', long=(320, 640), backend=backend),
                dict(type='RandomFlip'), dict(type='RandomPadCrop', size=448),
                dict(type='PackWSSSInputs'))])

            def whole(line=line):
                np.random.seed(0)
                return line(dict(img_path=path, name='image'))

            times = alternate(dict(
                decode=lambda: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
                whole=whole), repeats)
            rows.append(Row(
                f'decode alone against the whole pipeline ({backend})', times['decode'] * 1e3,
                times['whole'] * 1e3, 'ms', f'{1 / times["whole"]:.0f} images a second and core'))
    report(rows, args.json)


if __name__ == '__main__':
    main()
